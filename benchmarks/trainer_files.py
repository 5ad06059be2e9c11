"""What a trainer may leave in its folder to hold a worker up: how long one look of the local provider takes.

A look is what a worker does once a second while a trainer runs: what is observed, and the next piece of log, records
and checkpoints, and what is said of an ending. Whatever lies there, none may take longer than a second, and the first
of many checkpoints, which are remembered, not longer than a quarter of a lease.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from connections.providers.local import observation
from connections.providers.trainer_files import checkpoints, files, records

FIRST, AGAIN = 5.0, 1.0
"""Seconds."""
_MIB = 1024**2
_AT = '"2026-01-01T00:00:00Z"'


def cases() -> Iterator[tuple[str, Callable[[Path], object]]]:
    """Every case by name, with what writes it into the folder of an attempt."""
    yield "nothing but what belongs there", lambda _: None
    yield "100,000 lines of progress", lambda folder: _lines(folder / files.PROGRESS, 100_000, "message")
    yield "5,000 checkpoints", lambda folder: _checkpoints(folder, 5000)
    yield "50,000 other entries beside them", lambda folder: _others(folder, 50_000)
    yield "a FIFO for a checkpoint.json", lambda folder: os.mkfifo(_one(folder) / "checkpoint.json")
    yield "a FIFO for every file", _fifos
    yield "a link to /dev/zero for every file", _devices
    yield "a log of 64 GiB", lambda folder: _sparse(folder / files.LOG, 64 * 1024 * _MIB)
    yield "records of 64 GiB", lambda folder: _sparse(_records(folder) / files.METRICS, 64 * 1024 * _MIB)
    yield "1,000,000 records", lambda folder: _lines(_records(folder) / files.METRICS, 1_000_000, "step")
    yield "a record of 100 MB", lambda folder: (_records(folder) / files.METRICS).write_bytes(b"[" * (100 * _MIB))
    yield "deep JSON", lambda folder: (_records(folder) / files.ENDPOINT).write_bytes(b'{"a":' * 200_000)


def measure() -> list[str]:
    """Print what a look at each takes; answers the cases that took too long."""
    print(f"\nwhat one look at a trainer's files takes\n{'files':38}{'first s':>9}{'again s':>9}")
    missed = []
    for name, write in cases():
        with tempfile.TemporaryDirectory() as root:
            folder = Path(root, "jobs", "bench", "job", "attempts", "1")
            _records(folder).mkdir(parents=True)
            _saved(folder).mkdir()
            files.write_json(folder / files.SUBMISSION, {"spec": {"inactivity_timeout_seconds": 60}})
            (folder / files.TOKEN).write_text("token")
            files.write_json(folder / files.TRAINER, {"pid": 1})
            write(folder)
            time.sleep(checkpoints.SETTLED_SECONDS)
            first, again = _look(folder), _look(folder)
        print(f"{name:38}{first:9.3f}{again:9.3f}")
        if first > FIRST or again > AGAIN:
            missed.append(name)
    return missed


def _look(folder: Path) -> float:
    """Seconds that it takes."""
    began = time.perf_counter()
    observation.live(folder, "127.0.0.1")
    observation.ended(folder, files.read_json(folder / files.EXIT) or {})
    records.read_log(folder / files.LOG, 0)
    records.read_metrics(_records(folder) / files.METRICS, 0)
    checkpoints.read_checkpoints(_saved(folder))
    return time.perf_counter() - began


def _records(folder: Path) -> Path:
    return folder / files.RECORDS


def _saved(folder: Path) -> Path:
    return folder.parent.parent / files.CHECKPOINTS


def _one(folder: Path) -> Path:
    (_saved(folder) / "odd").mkdir()
    return _saved(folder) / "odd"


def _lines(path: Path, number: int, key: str) -> None:
    path.write_text("".join(f'{{"number": {n}, "{key}": {n}, "time": {_AT}}}\n' for n in range(1, number + 1)))


def _checkpoints(folder: Path, number: int) -> None:
    for step in range(number):
        path = _saved(folder) / f"step-{step}"
        path.mkdir()
        about = {"step": step, "size_bytes": 1, "created_at": "2026-01-01T00:00:00Z"}
        (path / "checkpoint.json").write_text(json.dumps(about))


def _others(folder: Path, number: int) -> None:
    for name in range(number):
        (_saved(folder) / f"x{name}").touch()


def _written(folder: Path) -> Iterator[Path]:
    yield from (_records(folder) / name for name in (files.ENDPOINT, files.METRICS, files.EXIT_REASON))
    yield from (folder / name for name in (files.LOG, files.PROGRESS, files.EXIT))
    yield _one(folder) / "checkpoint.json"


def _fifos(folder: Path) -> None:
    for path in _written(folder):
        os.mkfifo(path)


def _devices(folder: Path) -> None:
    for path in _written(folder):
        path.symlink_to("/dev/zero")


def _sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)
