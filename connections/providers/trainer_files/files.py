"""The files of an attempt's directory, and writes that are whole or absent.

Standard library only, because the wrapper shall start fast.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import UnsupportedOperation
from pathlib import Path
from typing import IO, Any

from connections.providers.trainer_files.far import FarPath
from connections.providers.trainer_files.reading import open_regular, read_object

CONFIG = "config.json"  # what the trainer reads
PLAN = "plan.json"  # what the wrapper runs
SUBMISSION = "submission.json"
TOKEN = "token"  # noqa: S105  (the name of the file, not a token)
LOCK = "lock"  # held by the wrapper for life
SPAWNED = "spawned.json"  # by the provider, after it started a wrapper
WRAPPER = "wrapper.json"  # by the wrapper, once it holds the lock
TRAINER = "trainer.json"  # by the wrapper, once the trainer's process runs
PROGRESS = "progress.jsonl"
LOG = "trainer.log"
EXIT = "exit.json"  # the attempt is over
CANCELLED = "cancelled"  # a user asked for the end
HOST_STOPPED = "host-stopped"  # the machine's owner stopped everything
DRAINED = "drained"  # what it holds where that was to start nothing more there
RECORDS = "records"  # the one folder here that the trainer writes to, with the next three
ENDPOINT = "endpoint.json"
METRICS = "metrics.jsonl"
EXIT_REASON = "exit-reason.json"
SESSION = "session.json"
HOME = "home"  # what its libraries take for a home folder; removed when it is over
PLACE = "place"  # in the provider's root: its own path, by which a copy knows that it is one
ATTEMPTS = "attempts"  # of the job, with the next two: one folder each, by number
CHECKPOINTS = "checkpoints"  # of the job, beside its attempts
SAMPLER = "sampler"  # the same: weights alone, for a sampler
DATASET = "dataset.jsonl"  # the same: what its recipe trains on
EVALUATION = "evaluation.jsonl"  # the same: what it measures, where that is a file by itself
DELETED = "deleted"  # the same: nothing but checkpoints is kept of the job, and nothing runs under its id again


def records_of(directory: Path) -> Path:
    """Where an attempt's trainer writes its records; in those from before, that is the attempt's own folder."""
    records = directory / RECORDS
    return records if records.is_dir() else directory


LONGEST_WORD = 1024
ROOM = 4096
NEEDED_LATER = (SPAWNED, WRAPPER, TRAINER, EXIT, CANCELLED, HOST_STOPPED)
"""What is written of an attempt after it was taken; how it ended would be lost if a full disk refused it."""


def make_room(directory: Path) -> None:
    """Take the space of these files beforehand. Errors: `OSError`, where there is none.

    Nothing is waited for: if the machine crashes now, they need the space again, which is all.
    """
    for room in (_room(directory / name) for name in NEEDED_LATER):
        if isinstance(room, FarPath):
            room.replace_with(b"\0" * ROOM)
            continue
        room.write_bytes(b"\0" * ROOM)


def mark(path: Path) -> None:
    """Make the file, whose being there says all; out of its room where that was made. Errors: `OSError`."""
    try:
        _room(path).rename(path)
    except FileNotFoundError:
        path.touch(mode=0o600)


def _room(path: Path) -> Path:
    return path.with_name(f".{path.name}.room")


def write_json(path: Path, value: Any) -> None:
    """Replace the file, durably: after a crash the old or the new content is there, whole. Errors: `OSError`."""
    write_text(path, json.dumps(value, allow_nan=False))


def write_text(path: Path, text: str) -> None:
    """As `write_json`, for text. The file is readable by its owner only.

    Written into its room where that was made; then it needs no more space.
    """
    if isinstance(path, FarPath):
        return path.replace_with(text.encode(), room=_room(path))
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        _room(path).rename(part)
    try:
        _write_synced(part, text)
        _make_way(path)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def fill(directory: Path, texts: Mapping[str, str]) -> None:
    """Write the files of a folder that nobody knows yet, so that they are on the disk before it gets its name.

    They are readable by their owner only. Errors: `OSError`.
    """
    for name, text in texts.items():
        path = directory / name
        if isinstance(path, FarPath):
            path.replace_with(text.encode())
        else:
            _write_synced(path, text)
    sync_directory(directory)


def _write_synced(path: Path, text: str) -> None:
    """Have that in the file, and on the disk; where it is new it is its owner's alone."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())


def _make_way(path: Path) -> None:
    """A folder cannot be replaced by a file; who put one there does not keep us from writing."""
    if path.is_dir() and not path.is_symlink():
        path.rename(path.with_name(f".{path.name}.obstacle-{os.getpid()}-{time.monotonic_ns()}"))


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in the file; None where there is no file, or it does not hold a whole JSON object (yet)."""
    try:
        with open_regular(path) as file:
            return read_object(file)
    except FileNotFoundError:
        return None


def read_word(path: Path) -> str:
    """The first 1,024 bytes of the file as text, whatever they are. Errors: `FileNotFoundError`, `OSError`."""
    with open_regular(path) as file:
        return file.read(LONGEST_WORD).decode("utf-8", "replace")


def now() -> str:
    """As the files of an attempt write it: UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def tell_progress(directory: Path, number: int, message: str) -> bool:
    """Append a line to the attempt's progress; whether it could be written."""
    line = json.dumps({"number": number, "message": message, "time": now()})
    try:
        with (directory / PROGRESS).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    except OSError:
        return False
    return True


def make_directory(path: Path) -> None:
    """The directory and its missing parents, each open to the owner only."""
    if path.is_dir():
        return
    for missing in [*reversed(path.parents), path]:
        if not missing.is_dir():
            missing.mkdir(mode=0o700, exist_ok=True)


def sync_directory(path: Path) -> None:
    """Make the names in a directory survive a power cut, where we can ask for that."""
    if isinstance(path, FarPath):
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_tree(path: Path) -> None:
    """Remove it with all in it; what stays, stays. Not by shutil, which a trainer's folders can be too deep for."""
    if isinstance(path, FarPath):
        return path.remove_tree()
    subprocess.run(["rm", "-rf", "--", str(path)], check=False, capture_output=True)


def sync_file(file: IO[bytes]) -> None:
    """What was written is on its disk, where we can ask for that. Errors: `OSError`."""
    file.flush()
    with suppress(UnsupportedOperation):  # of another machine
        os.fsync(file.fileno())


def copy_file(source: Path, target: Path) -> None:
    """A file of this machine, there. Errors: `OSError`."""
    if isinstance(target, FarPath):
        return target.replace_with(source.read_bytes())
    shutil.copyfile(source, target)


@contextmanager
def locked(path: Path, seconds: float) -> Iterator[object | None]:
    """Hold the file's exclusive lock, waiting up to `seconds`; None where somebody else kept it.

    Children do not inherit it: the descriptor closes on exec.
    """
    if isinstance(path, FarPath):
        with path.locked(seconds) as lock:
            yield lock
        return
    deadline = time.monotonic() + seconds
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    with os.fdopen(os.open(path, flags, 0o600), "rb+", buffering=0) as file:
        while not _try_lock(file, fcntl.LOCK_EX):
            if time.monotonic() >= deadline:
                yield None
                return
            time.sleep(0.01)
        yield file


def is_locked(path: Path) -> bool:
    """Whether somebody holds the file's exclusive lock right now."""
    try:
        with open_regular(path) as file:
            return not _try_lock(file, fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


def _try_lock(file: IO[bytes], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
