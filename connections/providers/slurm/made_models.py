"""Models that accounts made, on their way to the cluster: each copied once, under the digest of how it lies here.

    <root>/weights/<digest>/               its files; nothing there is ever changed
    <root>/models/<account>/<model id>     a link to them, as trainers look a model up by its name

A copy that breaks off is gone on with, and one that takes long is done in steps, each of a submission that says how far
it is. When the model is gone here, or another has its id, the copy goes with the next tidying; so does what broke off
and nobody went on with. Who makes a link or removes what none leads to holds the copy's lock.
"""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path

from connections.providers.errors import Gone, NotYet
from connections.providers.slurm.ground import SlurmGround
from connections.providers.spec import TrainerSpec
from connections.providers.trainer_files import files
from connections.providers.trainer_files.base_models import is_model
from connections.providers.trainer_files.copying import go_on_copying, how_far
from wire.names import parse_model_name

STEP_SECONDS = 20.0
"""After which a submission says how far the copy is, and is asked again."""
KEPT_SECONDS = 24 * 3600.0
"""How long a copy that nobody needs stays, so that what was just brought is not removed before it is used."""
ADAPTER_CONFIG = "adapter_config.json"
WEIGHTS, MODELS = "weights", "models"
_PART, _GONE = ".part-", ".gone-"


def made_here(weights: Path, name: str) -> Path | None:
    """Where the files of a model of that name lie here; None where there is none."""
    parsed = parse_model_name(name)
    directory = weights / parsed[0] / parsed[1] if parsed else None
    return directory if directory and (is_model(directory) or is_adapter(directory)) else None


def is_adapter(directory: Path) -> bool:
    """Whether an adapter lies there."""
    return (directory / ADAPTER_CONFIG).is_file()


def bring(ground: SlurmGround, spec: TrainerSpec) -> None:
    """Copy what the spec starts from, where it is not there yet. Errors: `NotYet` with how far it is, `OSError`."""
    for name in filter(None, (spec.base_model, spec.adapter)):
        source = made_here(ground.weights, name) if name not in ground.models else None
        if source:
            _bring(ground, name, source)


def place_of(ground: SlurmGround, name: str) -> Path | None:
    """Where the files of a base model lie there: as the connection maps it, or brought. Errors: `Gone`, `OSError`."""
    if name in ground.models:
        return ground.models[name]
    source = made_here(ground.weights, name)
    return _copy_of(ground, source) if source else None


def tidy(ground: SlurmGround) -> None:
    """Let go of the copies of what is not here any more. Errors: `OSError`."""
    for link in (ground.root / MODELS).glob("*/*"):
        source = ground.weights / link.parent.name / link.name
        if not source.is_dir() or link.resolve() != _copy_of(ground, source).resolve():
            link.unlink(missing_ok=True)
    used, old = _used(ground), time.time() - KEPT_SECONDS
    for copy in (ground.root / WEIGHTS).glob("*"):
        if copy.name.startswith(_GONE):
            files.remove_tree(copy)
        elif copy.is_dir() and copy.stat().st_mtime < old and copy.resolve() not in used:
            _let_go(ground, copy)


def _let_go(ground: SlurmGround, copy: Path) -> None:
    """Remove a copy, or what there is of one, unless a launch was promised it meanwhile."""
    with _locked(copy.with_name(copy.name.removeprefix(_PART))) as lock:
        if lock is None or not copy.is_dir() or copy.resolve() in _used(ground):
            return
        gone = copy.with_name(f"{_GONE}{uuid.uuid4().hex}")
        copy.rename(gone)
    files.remove_tree(gone)


def _used(ground: SlurmGround) -> set[Path]:
    return {link.resolve() for link in (ground.root / MODELS).glob("*/*")}


def _locked(target: Path) -> AbstractContextManager[object | None]:
    return files.locked(target.with_name(f".{target.name}.lock"), 0)


def _bring(ground: SlurmGround, name: str, source: Path) -> None:
    target = _copy_of(ground, source)
    _, model_id = parse_model_name(name) or ("", "")
    link = ground.root / MODELS / source.parent.name / model_id
    if link.is_dir() and link.resolve() == target.resolve():
        return
    files.make_directory(target.parent)
    with _locked(target) as lock:
        if lock is None:
            raise NotYet(f"{name} is being copied to the cluster for another launch.")
        if not target.is_dir():
            _copy(name, source, target.with_name(f"{_PART}{target.name}"))
            target.with_name(f"{_PART}{target.name}").rename(target)
            files.sync_directory(target.parent)
        files.make_directory(link.parent)
        fresh = link.with_name(f".{model_id}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target)
        fresh.replace(link)


def _copy(name: str, source: Path, part: Path) -> None:
    """Errors: `NotYet`, `OSError`."""
    deadline = time.monotonic() + STEP_SECONDS
    total = sum(path.stat().st_size for path in _files_of(source))
    done = 0
    for path in _files_of(source):
        copy = part / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if not copy.exists():
            told = partial(_far, name, total, done)
            go_on_copying(path, copy, deadline=deadline, told=told)
        done += path.stat().st_size


def _far(name: str, total: int, before: int, here: int) -> str:
    return f"Copying {name} to the cluster: {how_far(before + here, total)}."


def _copy_of(ground: SlurmGround, source: Path) -> Path:
    """Where the copy lies: by name, size and time of each file, since those of a model are never changed in place.

    Errors: `Gone`, where it was deleted just now.
    """
    digest = hashlib.sha256()
    with suppress(FileNotFoundError):
        for path in _files_of(source):
            told = path.stat()
            digest.update(f"{path.relative_to(source)}\0{told.st_size}\0{told.st_mtime_ns}\0".encode())
        return ground.root / WEIGHTS / digest.hexdigest()[:32]
    raise Gone(f"The model at {source.parent.name}/{source.name} was deleted.")


def _files_of(source: Path) -> Iterator[Path]:
    return (path for path in sorted(source.rglob("*")) if path.is_file() and not path.is_symlink())
