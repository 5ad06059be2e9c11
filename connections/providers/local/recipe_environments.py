"""Where the environments of checkouts' commits lie, how each stands, and the removal of those that nobody needs.

Made by runner/prepare.py, which leaves beside each what it does: NAME.lock while it does, NAME.state in words.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from connections.providers.official import Checkout
from connections.providers.runs import EnvironmentState, RecipeEnvironment
from connections.providers.trainer_files import files, values

ENVIRONMENTS = "recipe-environments"
STAMP, LOCK, STATE = "complete", ".lock", ".state"
LONGEST_LINE = 600


def environment_of(checkout: Checkout, root: Path) -> Path:
    """That of a checkout's commit, made by the first run that needs it; `root` is the provider's."""
    said = hashlib.sha256(f"{checkout.path}\0{checkout.commit}\0{checkout.sdk}".encode()).hexdigest()
    return root / ENVIRONMENTS / f"{checkout.commit[:12]}-{said[:12]}"


def look_at(environment: Path) -> RecipeEnvironment:
    """How it stands. Errors: `OSError`."""
    with suppress(FileNotFoundError, NotADirectoryError):
        made = datetime.fromtimestamp((environment / STAMP).stat().st_mtime, UTC)
        return RecipeEnvironment(EnvironmentState.READY, since=made)
    lock = Path(f"{environment}{LOCK}")
    told = files.read_json(Path(f"{environment}{STATE}")) or {}
    line = values.plain(str(told.get("line", ""))[:LONGEST_LINE])
    if lock.exists() and files.is_locked(lock):
        return RecipeEnvironment(EnvironmentState.MAKING, "" if told.get("failed") else line)
    if told.get("failed") is True:
        return RecipeEnvironment(EnvironmentState.FAILED, line)
    return RecipeEnvironment(EnvironmentState.ABSENT)


def set_aside(root: Path, needed: Collection[Path]) -> None:
    """Let all but the needed ones be gone at once, as a whole; `empty` removes what is left. Errors: `OSError`."""
    folder = root / ENVIRONMENTS
    kept = {path.name for path in needed}
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name.partition(".")[0] in kept:
            continue
        if path.is_dir() and not path.is_symlink():
            files.make_directory(_trash(root))
            path.rename(_trash(root) / uuid.uuid4().hex)
        else:
            path.unlink(missing_ok=True)


def empty(root: Path) -> None:
    """Remove what was set aside, some GB of small files each. Errors: `OSError`."""
    for path in _trash(root).iterdir() if _trash(root).is_dir() else ():
        files.remove_tree(path)


def _trash(root: Path) -> Path:
    return root / f"{ENVIRONMENTS}.removed"
