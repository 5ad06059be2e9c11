"""Our own code on the shared directory: what jobs run is not what happens to lie on this machine later.

Each release has a folder of its own, named by what is in it, with the package of the trainer and the modules that run
inside the job.
"""

from __future__ import annotations

import hashlib
import uuid
from functools import cache
from pathlib import Path

from connections.providers.trainer_files import files

CODE = "code"
_ROOT = Path(__file__).resolve().parents[3]
_MODULES = (
    "connections/__init__.py",
    "connections/providers/__init__.py",
    "connections/providers/trainer_files/__init__.py",
    "connections/providers/trainer_files/far.py",
    "connections/providers/trainer_files/files.py",
    "connections/providers/trainer_files/reading.py",
    "connections/providers/slurm/__init__.py",
    "connections/providers/slurm/job.py",
)


def put_release(root: Path, trainer_package: Path) -> Path:
    """The folder with the code; made where it is not there yet, whole or not at all. Errors: `OSError`."""
    target = root / CODE / _digest(trainer_package)
    if not target.is_dir():
        part = target.with_name(f".{uuid.uuid4().hex}")
        for name, source in _sources(trainer_package):
            files.make_directory((part / name).parent)
            files.copy_file(source, part / name)
        try:
            part.rename(target)
        except OSError:  # another process was first
            files.remove_tree(part)
            if not target.is_dir():
                raise
    return target


@cache
def _digest(trainer_package: Path) -> str:
    """Of all that is copied, as it is when this process first asks."""
    digest = hashlib.sha256()
    for name, path in _sources(trainer_package):
        digest.update(f"{name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _sources(trainer_package: Path) -> list[tuple[str, Path]]:
    """What is copied, by its path there."""
    found = sorted(path for path in trainer_package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    package = [(str(path.relative_to(trainer_package.parent)), path) for path in found]
    return package + [(module, _ROOT / module) for module in _MODULES]
