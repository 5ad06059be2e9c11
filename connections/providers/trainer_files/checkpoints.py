"""A job's checkpoints, as their manifests describe them, and their files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from time import time as seconds_now
from typing import Any, BinaryIO

from connections.providers.attempts import Truncation
from connections.providers.checkpoints import CheckpointFile, CheckpointKind, CheckpointList, CheckpointRecord
from connections.providers.trainer_files import files, reading, values
from connections.providers.trainer_files.far import OpenFolder
from wire.names import is_id

FOLDERS = {CheckpointKind.TRAINING: files.CHECKPOINTS, CheckpointKind.SAMPLER: files.SAMPLER}
"""Of a job's folder, by what lies there."""
MANIFEST = "checkpoint.json"
PART = ".part-"
"""How the names of folders start that are being written."""
MOST_CHECKPOINTS = 5000
MOST_FILES = 20_000
MAX_REQUESTED_NAME = 200
SETTLED_SECONDS = 2.0
MOST_REMEMBERED = 200_000
_listed: dict[tuple[int, ...], CheckpointList] = {}
"""What was found in folders as they stood at a time, by device, inode and time; of few enough files at once."""
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")
_MOST_FOLDERS = 3
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PRECISION = re.compile(r"[a-z0-9_]{1,16}")

TOO_MANY_CHECKPOINTS = Truncation(
    "checkpoints",
    f"The job's folder of checkpoints holds more than {MOST_CHECKPOINTS:,} entries: not all are looked at. "
    "Remove some, or save less often.",
)
TOO_MANY_FILES = Truncation(
    "files",
    f"The job's checkpoints have more than {MOST_FILES:,} files: those of some are not listed. Remove some.",
)
IRREGULAR_CHECKPOINT = Truncation(
    "irregular", "A checkpoint of this job is no folder of regular files: it is not listed."
)


def read_all(job_directory: Path, *, live: bool) -> CheckpointList:
    """The job's checkpoints of both kinds, by step, then by time; where it is `live`, those being written, too."""
    lists = [read_checkpoints(job_directory / folder, kind, writing=live) for kind, folder in FOLDERS.items()]
    listed = [record for each in lists for record in each.records]
    limits = {limit.name: limit for each in lists for limit in each.limits}
    return CheckpointList(tuple(sorted(listed, key=_order)), tuple(limits[name] for name in sorted(limits)))


def read_checkpoints(
    directory: Path, kind: CheckpointKind = CheckpointKind.TRAINING, *, writing: bool = False
) -> CheckpointList:
    """The checkpoints under a job's directory of them, by step, then by time, with those being `writing` or without."""
    found = _look(directory, kind)
    return found if writing else replace(found, records=tuple(each for each in found.records if not each.writing))


def _look(directory: Path, kind: CheckpointKind) -> CheckpointList:
    """All that is there.

    A checkpoint gets its name once it is whole, which changes the folder's time: while that stays the same, and is not
    of just now, so does the list.
    """
    try:
        folder = reading.open_folder(directory)
    except FileNotFoundError:
        return CheckpointList(())
    with closing(folder):
        state, since = folder.state() or (None, 0.0)
        if state and (known := _listed.get(state)):
            return known
        found = _read_checkpoints(folder, kind)
        if state and seconds_now() - since > SETTLED_SECONDS:
            if sum(map(_weight, chain(_listed.values(), (found,)))) > MOST_REMEMBERED:
                _listed.clear()
            _listed[state] = found
        return found


def holds_any(job_directory: Path) -> bool:
    """Whether there is anything under a name that a checkpoint has, be it one or not."""
    return any(is_id(path.name) for folder in FOLDERS.values() for path in _entries(job_directory / folder))


def remains_of(job_directory: Path) -> list[Path]:
    """What there is of a job besides its checkpoints: of those, what was being written when it ended."""
    kept = {*FOLDERS.values(), files.DELETED}
    parts = [path for folder in FOLDERS.values() for path in _entries(job_directory / folder) if not is_id(path.name)]
    return [path for path in _entries(job_directory) if path.name not in kept] + parts


def move_away(job_directory: Path, kind: CheckpointKind, name: str, target: Path) -> None:
    """Rename a checkpoint; nothing where there is none. No link is followed. Errors: `OSError`."""
    with suppress(FileNotFoundError), closing(reading.open_folder(job_directory / FOLDERS[kind])) as folder:
        folder.rename(name, target)


def open_file(job_directory: Path, kind: CheckpointKind, name: str, path: str) -> BinaryIO:
    """A regular file of a checkpoint, by its path there. Errors: `FileNotFoundError`, `OSError`."""
    if not (is_id(name) and is_file_path(path)):
        raise FileNotFoundError(path)
    *folders, file = path.split("/")
    folder = reading.open_folder(job_directory / FOLDERS[kind] / name)
    for inner in folders:
        with closing(folder):
            folder = folder.below(inner)
    with closing(folder):
        return folder.open(file)


def is_file_path(path: str) -> bool:
    """Whether it is one that a checkpoint's file may have: relative, plain, not deep."""
    parts = path.split("/")
    return len(parts) <= _MOST_FOLDERS + 1 and all(map(_FILE_NAME.fullmatch, parts))


def _entries(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _order(record: CheckpointRecord) -> tuple[Any, ...]:
    return record.step, record.saved_at, record.kind, record.name


def _weight(listed: CheckpointList) -> int:
    return 1 + sum(1 + len(record.files) for record in listed.records)


def _read_checkpoints(folder: OpenFolder, kind: CheckpointKind) -> CheckpointList:
    names = folder.names(MOST_CHECKPOINTS + 1)
    limits = {TOO_MANY_CHECKPOINTS} if len(names) > MOST_CHECKPOINTS else set()
    found: dict[str, CheckpointRecord] = {}
    room = MOST_FILES
    # What is written under a name that is there already is none: what has a name comes first.
    for name in sorted(filter(_is_entry, names[:MOST_CHECKPOINTS]), key=_is_part):
        try:
            record = _checkpoint(folder, name, kind)
        except reading.NoRegularFile:
            limits.add(IRREGULAR_CHECKPOINT)
            continue
        except FileNotFoundError:
            continue  # it is being made or removed
        if record is None or record.name in found:
            continue
        if len(record.files) > room:
            limits.add(TOO_MANY_FILES)
            record = replace(record, files=())
        room -= len(record.files)
        found[record.name] = record
    listed = sorted(found.values(), key=_order)
    return CheckpointList(tuple(listed), tuple(sorted(limits, key=lambda limit: limit.name)))


def _is_part(name: str) -> bool:
    return name.startswith(PART)


def _is_entry(name: str) -> bool:
    return _is_part(name) or is_id(name)


def _checkpoint(folder: OpenFolder, entry: str, kind: CheckpointKind) -> CheckpointRecord | None:
    """Errors: `NoRegularFile`, `FileNotFoundError`."""
    with closing(folder.below(entry)) as below, below.open(MANIFEST) as file:
        record = reading.read_object(file)
    if record is None:
        return None
    name = record.get("name") if _is_part(entry) else entry
    step, size = values.number(record.get("step")), values.integer(record.get("size_bytes"))
    time = values.moment(record.get("created_at"))
    if not (isinstance(name, str) and is_id(name)) or step is None or size is None or time is None:
        return None
    requested, precision = record.get("requested_name"), record.get("precision")
    asked_for = values.plain(requested)[:MAX_REQUESTED_NAME] if isinstance(requested, str) else ""
    told = _files(record.get("files"))
    return CheckpointRecord(
        name,
        step,
        sum(file.size_bytes for file in told) or size,
        time,
        asked_for or name,
        kind=kind,
        writing=_is_part(entry),
        lora_rank=values.number(record.get("lora_rank")),
        lora_alpha=values.number(record.get("lora_alpha")),
        precision=precision if isinstance(precision, str) and _PRECISION.fullmatch(precision) else "",
        files=told,
    )


def _files(told: Any) -> tuple[CheckpointFile, ...]:
    """All that the manifest names, or none, where one of them is not as it has to be."""
    if not isinstance(told, Mapping):
        return ()
    read = [_file(path, about) for path, about in told.items()]
    whole = [file for file in read if file]
    if len(whole) != len(read) or values.integer(sum(file.size_bytes for file in whole)) is None:
        return ()
    return tuple(sorted(whole, key=lambda file: file.path))


def _file(path: str, about: Any) -> CheckpointFile | None:
    if not (isinstance(about, Mapping) and is_file_path(path)):
        return None
    size, digest = values.integer(about.get("size_bytes")), about.get("sha256")
    if size is None or not (isinstance(digest, str) and _DIGEST.fullmatch(digest)):
        return None
    return CheckpointFile(path, size, digest)
