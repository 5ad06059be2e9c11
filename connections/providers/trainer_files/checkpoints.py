"""A job's checkpoints, as their manifests describe them."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from time import time as seconds_now

from connections.providers.base import CheckpointList, CheckpointRecord, Truncation
from connections.providers.trainer_files import reading, values
from wire.names import is_id

MOST_CHECKPOINTS = 5000
MAX_REQUESTED_NAME = 200
SETTLED_SECONDS = 2.0
MOST_REMEMBERED = 100
_listed: dict[tuple[int, int, int], CheckpointList] = {}
"""What was found in folders as they stood at a time, by device, inode and time; of few enough jobs at once."""

TOO_MANY_CHECKPOINTS = Truncation(
    "checkpoints",
    f"The job's folder of checkpoints holds more than {MOST_CHECKPOINTS:,} entries: not all are looked at. "
    "Remove some, or save less often.",
)
IRREGULAR_CHECKPOINT = Truncation(
    "irregular", "A checkpoint of this job is no folder of regular files: it is not listed."
)


def read_checkpoints(directory: Path) -> CheckpointList:
    """The checkpoints under a job's directory of them, by step, then by time.

    A checkpoint gets its name once it is whole, which changes the folder's time: while that stays the same, and is not
    of just now, so does the list.
    """
    try:
        folder = reading.open_folder(directory)
    except FileNotFoundError:
        return CheckpointList(())
    try:
        about = os.fstat(folder)
        state = (about.st_dev, about.st_ino, about.st_ctime_ns)  # the time that nobody can set
        if known := _listed.get(state):
            return known
        found = _read_checkpoints(folder)
        if seconds_now() - about.st_ctime > SETTLED_SECONDS:
            if len(_listed) >= MOST_REMEMBERED:
                _listed.clear()
            _listed[state] = found
        return found
    finally:
        os.close(folder)


def _read_checkpoints(folder: int) -> CheckpointList:
    with os.scandir(folder) as entries:
        names = [entry.name for entry in islice(entries, MOST_CHECKPOINTS + 1)]
    limits = {TOO_MANY_CHECKPOINTS} if len(names) > MOST_CHECKPOINTS else set()
    found = []
    for name in filter(is_id, names[:MOST_CHECKPOINTS]):
        try:
            found.append(_checkpoint(folder, name))
        except reading.NoRegularFile:
            limits.add(IRREGULAR_CHECKPOINT)
        except FileNotFoundError:
            continue  # it is being written
    listed = sorted(filter(None, found), key=lambda record: (record.step, record.saved_at, record.name))
    return CheckpointList(tuple(listed), tuple(sorted(limits, key=lambda limit: limit.name)))


def _checkpoint(folder: int, name: str) -> CheckpointRecord | None:
    """Errors: `NoRegularFile`, `FileNotFoundError`."""
    below = reading.open_folder_beneath(folder, name)
    try:
        with reading.open_beneath(below, "checkpoint.json") as file:
            record = reading.read_object(file)
    finally:
        os.close(below)
    if record is None:
        return None
    step, size, time = (
        values.number(record.get("step")),
        values.integer(record.get("size_bytes")),
        values.moment(record.get("created_at")),
    )
    if step is None or size is None or time is None:
        return None
    requested = record.get("requested_name")
    asked_for = values.plain(requested)[:MAX_REQUESTED_NAME] if isinstance(requested, str) else ""
    return CheckpointRecord(name, step, size, time, asked_for or name)
