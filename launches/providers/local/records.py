"""Log, metrics, progress and checkpoints, read from files that somebody may be writing right now."""

from __future__ import annotations

import codecs
import json
import math
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from launches.providers.base import CheckpointRecord, LogChunk, MetricRecord, Progress
from launches.providers.local import files
from wire.names import is_id

LOG_CHUNK = 64 * 1024
METRICS_LIMIT = 1000
MAX_MESSAGE = 500
MAX_REQUESTED_NAME = 200
_NEAR = 64 * 1024
_MAX_INTEGER = 2**63 - 1
_MAX_NUMBER = 2**31 - 1


def read_log(path: Path, after: int) -> LogChunk:
    """At most 64 KiB from the byte offset on. Bytes that are no UTF-8, and NUL, become U+FFFD."""
    after = max(0, after)
    try:
        with path.open("rb") as file:
            file.seek(after)
            raw = file.read(LOG_CHUNK)
    except FileNotFoundError:
        return LogChunk("", after)
    raw = raw[: raw.rfind(b"\n") + 1] or raw
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(raw)
    held_back = len(decoder.getstate()[0])  # the first bytes of a character that is not all there
    return LogChunk(printable(text), after + len(raw) - held_back)


def log_tail(path: Path, lines: int = 10, size: int = 1500) -> str:
    """The last lines of the log, at most `size` bytes of it."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - size))
            text = file.read(size).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return printable("\n".join(text.strip().splitlines()[-lines:]))


def read_progress(path: Path) -> tuple[Progress, ...]:
    """All progress lines of an attempt."""
    found = (_object(line) for line in _whole_lines(path))
    return tuple(
        Progress(record["number"], printable(str(record.get("message", "")))[:MAX_MESSAGE])
        for record in found
        if record and _number(record.get("number")) is not None
    )


def read_metrics(path: Path, after: int, limit: int = METRICS_LIMIT) -> Sequence[MetricRecord]:
    """At most `limit` records with a number above `after`; lines that are no records are passed over."""
    records: list[MetricRecord] = []
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return records
    with file:
        file.seek(_start(file, path.stat().st_size, after))
        for line in file:
            record = _metric(line) if line.endswith(b"\n") else None
            if record and record.number > after:
                records.append(record)
            if len(records) == limit:
                break
    return records


def read_checkpoints(directory: Path) -> Sequence[CheckpointRecord]:
    """The checkpoints under a job's directory of them, by step, then by time."""
    found = [_checkpoint(path) for path in directory.glob("*/checkpoint.json")]
    return sorted(filter(None, found), key=lambda record: (record.step, record.saved_at, record.name))


def _start(file: BinaryIO, size: int, after: int) -> int:
    """Start of a line not far before the first record above `after`: numbers ascend, so a search by halves finds it."""
    low, high = 0, size
    while high - low > _NEAR:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()
        start = file.tell()
        record = _object(file.readline())
        number = _number(record.get("number")) if record else None
        if number is not None and number <= after:
            low = start
        else:
            high = middle
    return low


def _metric(line: bytes) -> MetricRecord | None:
    record = _object(line)
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


def _checkpoint(path: Path) -> CheckpointRecord | None:
    record = files.read_json(path)
    name = path.parent.name
    if record is None or not is_id(name) or path.parent.is_symlink():
        return None
    step, size, time = _number(record.get("step")), _integer(record.get("size_bytes")), _time(record.get("created_at"))
    if step is None or size is None or time is None:
        return None
    requested = record.get("requested_name")
    asked_for = printable(requested)[:MAX_REQUESTED_NAME] if isinstance(requested, str) else ""
    return CheckpointRecord(name, step, size, time, asked_for or name)


def _whole_lines(path: Path) -> list[bytes]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    return content[: content.rfind(b"\n") + 1].splitlines()


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


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
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def printable(text: str) -> str:
    """Without NUL and lone surrogates, which a database text cannot hold."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
