"""Log, metrics, progress and checkpoints, read from files that somebody may be writing right now."""

from __future__ import annotations

import codecs
import math
import os
import sys
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from time import time as seconds_now
from typing import Any

from connections.providers.base import (
    CheckpointList,
    CheckpointRecord,
    LogChunk,
    MetricPage,
    MetricRecord,
    Progress,
    Truncation,
)
from connections.providers.trainer_files import reading
from wire.names import is_id

LOG_CHUNK = 64 * 1024
LOG_BEHIND = 1024 * 1024
"""Of a log that is more than this ahead, the end is read: nobody is shown more than that anyway."""
LONGEST_LINE = 2000
METRICS_CHUNK = 1024 * 1024
METRICS_LIMIT = 1000
MOST_METRICS = 1_000_000
MOST_METRIC_BYTES = 256 * 1024 * 1024
MOST_PROGRESS = 300
PROGRESS_BYTES = 256 * 1024
MOST_CHECKPOINTS = 5000
MAX_MESSAGE = 500
SETTLED_SECONDS = 2.0
MOST_REMEMBERED = 100
_listed: dict[tuple[int, int, int], CheckpointList] = {}
"""What was found in folders as they stood at a time, by device, inode and time; of few enough jobs at once."""
MAX_REQUESTED_NAME = 200
_MAX_INTEGER = 2**63 - 1
_MAX_NUMBER = 2**31 - 1
_FIRST_YEAR, _LAST_YEAR = 1970, 9998  # so that it is a time in every zone

LOG_AHEAD = Truncation("log", "The trainer writes its log faster than it is read here: the page shows its end.")
TOO_MANY_RECORDS = Truncation(
    "records",
    f"The trainer wrote more records than are kept here ({MOST_METRICS:,}, in {MOST_METRIC_BYTES // 2**20} MiB): "
    "the others are left out.",
)
TOO_MUCH_PROGRESS = Truncation(
    "progress", f"The attempt wrote more lines of progress than are shown here ({MOST_PROGRESS}): the rest is left out."
)
TOO_MANY_CHECKPOINTS = Truncation(
    "checkpoints",
    f"The job's folder of checkpoints holds more than {MOST_CHECKPOINTS:,} entries: not all are looked at. "
    "Remove some, or save less often.",
)
IRREGULAR_CHECKPOINT = Truncation(
    "irregular", "A checkpoint of this job is no folder of regular files: it is not listed."
)


def read_log(path: Path, after: int) -> LogChunk:
    """At most 64 KiB from the byte offset on; of a log that is far ahead, its end.

    Bytes that are no UTF-8, and NUL, become U+FFFD; what is beyond 2,000 characters of a line is counted.
    """
    start = max(0, after)
    try:
        with reading.open_regular(path) as file:
            behind = reading.size_of(file) - start
            if behind > LOG_BEHIND:
                start += behind - LOG_CHUNK
            file.seek(start)
            raw = file.read(LOG_CHUNK)
    except FileNotFoundError:
        return LogChunk("", start)
    limits = (LOG_AHEAD,) if behind > LOG_BEHIND else ()
    if limits:
        head = raw.find(b"\n") + 1
        raw, start = raw[head:], start + head
    raw = raw[: raw.rfind(b"\n") + 1] or raw
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(raw)
    held_back = len(decoder.getstate()[0])  # the first bytes of a character that is not all there
    return LogChunk(_shortened(printable(text)), start + len(raw) - held_back, limits)


def log_tail(path: Path, lines: int = 10, size: int = 1500) -> str:
    """The last lines of the log, at most `size` bytes of it."""
    try:
        with reading.open_regular(path) as file:
            file.seek(max(0, reading.size_of(file) - size))
            text = file.read(size).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return printable("\n".join(text.strip().splitlines()[-lines:]))


def read_progress(path: Path) -> tuple[tuple[Progress, ...], tuple[Truncation, ...]]:
    """The first progress lines of an attempt, and whether there are more."""
    try:
        with reading.open_regular(path) as file:
            content = file.read(PROGRESS_BYTES + 1)
    except FileNotFoundError:
        return (), ()
    lines = content[: content.rfind(b"\n") + 1].splitlines()
    found = (reading.as_object(line) for line in lines[:MOST_PROGRESS])
    told = tuple(
        Progress(record["number"], plain(str(record.get("message", "")))[:MAX_MESSAGE])
        for record in found
        if record and _number(record.get("number")) is not None
    )
    more = len(content) > PROGRESS_BYTES or len(lines) > MOST_PROGRESS
    return told, (TOO_MUCH_PROGRESS,) if more else ()


def read_metrics(path: Path, offset: int, limit: int = METRICS_LIMIT) -> MetricPage:
    """At most `limit` records of at most 1 MiB from the byte offset on, each with a higher number than the one before.

    Lines that are no records are passed over; so are those beyond a million records or 256 MiB.
    """
    try:
        with reading.open_regular(path) as file:
            if offset >= MOST_METRIC_BYTES:
                return MetricPage((), offset, (TOO_MANY_RECORDS,) if reading.size_of(file) > offset else ())
            file.seek(offset)
            raw = file.read(METRICS_CHUNK)
    except FileNotFoundError:
        return MetricPage((), offset)
    records: list[MetricRecord] = []
    limits: tuple[Truncation, ...] = ()
    start = 0
    while len(records) < limit and (end := raw.find(b"\n", start) + 1):
        record = _metric(raw[start:end])
        start = end
        if record and record.number > MOST_METRICS:
            limits = (TOO_MANY_RECORDS,)
        elif record and (not records or record.number > records[-1].number):
            records.append(record)
    if start == 0 and len(raw) == METRICS_CHUNK:
        start = len(raw)  # a line that does not end is no record
    return MetricPage(tuple(records), offset + start, limits)


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


def _metric(line: bytes) -> MetricRecord | None:
    record = reading.as_object(line)
    if record is None:
        return None
    number, step, time = _number(record.get("number")), _number(record.get("step")), _time(record.get("time"))
    if number is None or step is None or time is None:
        return None
    return MetricRecord(
        number=number,
        step=step,
        loss_per_token=_finite(record.get("loss_per_token")),
        learning_rate=_finite(record.get("learning_rate")),
        grad_norm=_finite(record.get("grad_norm")),
        tokens=_integer(record.get("tokens")),
        seconds=_finite(record.get("seconds")),
        peak_memory_bytes=_integer(record.get("peak_memory_bytes")),
        recorded_at=time,
        longest_context=_integer(record.get("longest_context")),
    )


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
    step, size, time = _number(record.get("step")), _integer(record.get("size_bytes")), _time(record.get("created_at"))
    if step is None or size is None or time is None:
        return None
    requested = record.get("requested_name")
    asked_for = plain(requested)[:MAX_REQUESTED_NAME] if isinstance(requested, str) else ""
    return CheckpointRecord(name, step, size, time, asked_for or name)


def _number(value: Any) -> int | None:
    """A record's or a step's number, which is stored in four bytes."""
    number = _integer(value)
    return number if number is not None and number <= _MAX_NUMBER else None


def _integer(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= _MAX_INTEGER else None


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > sys.float_info.max:
        return None
    return float(value) if math.isfinite(value) else None


def _time(value: Any) -> datetime | None:
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return time if _FIRST_YEAR <= time.year <= _LAST_YEAR else None


def plain(text: str) -> str:
    """A line as people may read it: without characters that control, hide or reorder others."""
    return "".join(letter if letter.isprintable() else " " for letter in printable(text)).strip()


def _shortened(text: str) -> str:
    if len(text) <= LONGEST_LINE:
        return text
    return "\n".join(
        line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}… ({len(line) - LONGEST_LINE:,} more characters)"
        for line in text.split("\n")
    )


def printable(text: str) -> str:
    """Without NUL and lone surrogates, which a database text cannot hold."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
