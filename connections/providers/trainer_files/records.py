"""Log, metrics and progress, read from files that somebody may be writing right now."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from connections.providers.attempts import Progress, Truncation
from connections.providers.evaluations import EvaluationRecord, RunPlan
from connections.providers.memory_use import PARTS, MemoryUse
from connections.providers.samplers import SamplerRecord, SamplerRecordPage
from connections.providers.telemetry import LogChunk, MetricPage, MetricRecord
from connections.providers.trainer_files import reading, run_records, values

TrainerRecord = MetricRecord | EvaluationRecord | RunPlan


class _Numbered(Protocol):
    @property
    def number(self) -> int: ...


_Record = TypeVar("_Record", bound=_Numbered)
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
MAX_MESSAGE = 500
LONGEST_IDENTITY = 400
SERVING, HOT_LOAD = "serving", "hot_load"
"""The kinds of what a sampler puts on record."""

LOG_AHEAD = Truncation("log", "The trainer writes its log faster than it is read here: the page shows its end.")
TOO_MANY_RECORDS = Truncation(
    "records",
    f"The trainer wrote more records than are kept here ({MOST_METRICS:,}, in {MOST_METRIC_BYTES // 2**20} MiB): "
    "the others are left out.",
)
TOO_MUCH_PROGRESS = Truncation(
    "progress", f"The attempt wrote more lines of progress than are shown here ({MOST_PROGRESS}): the rest is left out."
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
    return LogChunk(_shortened(values.printable(text)), start + len(raw) - held_back, limits)


def log_tail(path: Path, lines: int = 10, size: int = 1500) -> str:
    """The last lines of the log, at most `size` bytes of it."""
    try:
        with reading.open_regular(path) as file:
            file.seek(max(0, reading.size_of(file) - size))
            text = file.read(size).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return values.printable("\n".join(text.strip().splitlines()[-lines:]))


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
        Progress(record["number"], values.plain(str(record.get("message", "")))[:MAX_MESSAGE])
        for record in found
        if record and values.number(record.get("number")) is not None
    )
    more = len(content) > PROGRESS_BYTES or len(lines) > MOST_PROGRESS
    return told, (TOO_MUCH_PROGRESS,) if more else ()


def read_metrics(path: Path, offset: int, limit: int = METRICS_LIMIT) -> MetricPage:
    """At most `limit` records of at most 1 MiB from the byte offset on, each with a higher number than the one before.

    Lines that are no records are passed over; so are those beyond a million records or 256 MiB.
    """
    found, end, is_cut = _read_numbered(path, offset, limit, _trainer_record)
    plans = [record for record in found if isinstance(record, RunPlan)]
    return MetricPage(
        tuple(record for record in found if isinstance(record, MetricRecord)),
        end,
        (TOO_MANY_RECORDS,) if is_cut else (),
        tuple(record for record in found if isinstance(record, EvaluationRecord)),
        plans[-1] if plans else None,
    )


def read_sampler_records(path: Path, offset: int, limit: int = METRICS_LIMIT) -> SamplerRecordPage:
    """What a sampler wrote, read as trainers' records are."""
    found, end, _ = _read_numbered(path, offset, limit, _sampler_record)
    return SamplerRecordPage(tuple(found), end)


def _read_numbered(
    path: Path, offset: int, limit: int, parse: Callable[[bytes], _Record | None]
) -> tuple[list[_Record], int, bool]:
    """Records, the offset behind them, and whether some were left out because there are too many."""
    try:
        with reading.open_regular(path) as file:
            if offset >= MOST_METRIC_BYTES:
                return [], offset, reading.size_of(file) > offset
            file.seek(offset)
            raw = file.read(METRICS_CHUNK)
    except FileNotFoundError:
        return [], offset, False
    records: list[_Record] = []
    is_cut, start = False, 0
    while len(records) < limit and (end := raw.find(b"\n", start) + 1):
        record = parse(raw[start:end])
        start = end
        if record and record.number > MOST_METRICS:
            is_cut = True
        elif record and (not records or record.number > records[-1].number):
            records.append(record)
    if start == 0 and len(raw) == METRICS_CHUNK:
        start = len(raw)  # a line that does not end is no record
    return records, offset + start, is_cut


def _trainer_record(line: bytes) -> TrainerRecord | None:
    """A step, or what a recipe says by a kind of its own."""
    record = reading.as_object(line) or {}
    kind = record.get("kind")
    read = run_records.READERS.get(kind) if isinstance(kind, str) else None
    return read(record) if read else _metric(record)


def _metric(record: dict[str, Any]) -> MetricRecord | None:
    number, step, time = (
        values.number(record.get("number")),
        values.number(record.get("step")),
        values.moment(record.get("time")),
    )
    if number is None or step is None or time is None:
        return None
    return MetricRecord(
        number=number,
        step=step,
        loss_per_token=values.finite(record.get("loss_per_token")),
        learning_rate=values.finite(record.get("learning_rate")),
        grad_norm=values.finite(record.get("grad_norm")),
        tokens=values.integer(record.get("tokens")),
        seconds=values.finite(record.get("seconds")),
        peak_memory_bytes=values.integer(record.get("peak_memory_bytes")),
        recorded_at=time,
        longest_context=values.integer(record.get("longest_context")),
        reward=values.finite(record.get("reward")),
        planned_memory_bytes=values.integer(record.get("planned_memory_bytes")),
        memory=_memory(record.get("memory")),
    )


def _memory(told: Any) -> MemoryUse | None:
    if not isinstance(told, dict):
        return None
    planned, measured = (_by_part(told.get(name)) for name in ("planned", "measured"))
    return MemoryUse(values.integer(told.get("tokens")), planned, measured) if measured else None


def _by_part(told: Any) -> dict[str, int]:
    sizes = told if isinstance(told, dict) else {}
    return {part: size for part in PARTS if (size := values.integer(sizes.get(part))) is not None}


def _sampler_record(line: bytes) -> SamplerRecord | None:
    record = reading.as_object(line) or {}
    kind, identity = record.get("kind"), record.get("identity")
    number, at = values.number(record.get("number")), values.moment(record.get("answered", record.get("time")))
    seconds = values.finite(record.get("seconds"))
    if number is None or at is None or seconds is None or seconds < 0 or kind not in (SERVING, HOT_LOAD):
        return None
    if not isinstance(identity, str | None):
        return None
    failed = kind == HOT_LOAD and record.get("stage") != "ready"
    return SamplerRecord(
        number=number,
        is_load=kind == HOT_LOAD,
        identity=values.plain(identity or "")[:LONGEST_IDENTITY],
        requests=values.number(record.get("requests")) or 0,
        prompt_tokens=values.integer(record.get("prompt_tokens")) or 0,
        completion_tokens=values.integer(record.get("completion_tokens")) or 0,
        seconds=seconds,
        message=(values.plain(str(record.get("message") or ""))[:MAX_MESSAGE] or "It failed.") if failed else "",
        at=at,
    )


def _shortened(text: str) -> str:
    if len(text) <= LONGEST_LINE:
        return text
    return "\n".join(
        line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}… ({len(line) - LONGEST_LINE:,} more characters)"
        for line in text.split("\n")
    )
