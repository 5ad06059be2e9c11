"""metrics.jsonl: a process's own numbered records, one JSON object a line, for whoever shows them."""

from __future__ import annotations

import errno
import json
import logging
import math
import os
import resource
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """One optimizer step, or one forward call of a forward-only trainer (there learning_rate and grad_norm are None).

    loss_per_token: loss sum / tokens that count; tokens: tokens of model input; longest_context: those of the longest
    sequence; seconds: compute; peak_memory_bytes: of the GPU where there is one, else of the process, None of a trainer
    elsewhere; planned_memory_bytes: what was planned for that before the model was loaded, None where nothing was;
    memory: both by part (measured, planned, and the tokens of passes that were planned), where that is news;
    reward: the mean of what the loop told, None where it told none.
    """

    step: int
    loss_per_token: float | None
    learning_rate: float | None
    grad_norm: float | None
    tokens: int
    seconds: float
    peak_memory_bytes: int | None
    longest_context: int
    planned_memory_bytes: int | None = None
    memory: Mapping[str, Any] | None = None
    reward: float | None = None


class MetricsLog:
    """Appends records, numbered from 1, going on where an existing file ends.

    What the disk refuses is kept and written with a later record: no step fails for want of its record. Without a path
    nothing is kept.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._number = _last_number(path) if path else 0
        self._unwritten: list[str] = []

    def append(self, record: DataclassInstance) -> None:
        if self._path is None:
            return
        self._number += 1
        values = {"number": self._number, **asdict(record), "time": now()}
        self._unwritten.append(json.dumps({key: finite(value) for key, value in values.items()}) + "\n")
        try:
            _write(self._path, "".join(self._unwritten).encode())
        except OSError as error:
            log.warning("%d records wait to be written: %s", len(self._unwritten), error.strerror or error)
        else:
            self._unwritten.clear()


def _write(path: Path, lines: bytes) -> None:
    """All of them or nothing: a torn line would hide the one after it. Errors: OSError."""
    with path.open("ab", buffering=0) as file:
        before = file.tell()
        if file.write(lines) != len(lines):
            file.truncate(before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become None."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def now() -> str:
    """The time in UTC, RFC 3339, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def process_peak_bytes() -> int:
    """Largest resident size of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _last_number(path: Path) -> int:
    """Number of the last whole record; a line torn by a crash is cut off so that the next record starts a line."""
    if not path.exists():
        return 0
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) != len(content):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    lines = whole.splitlines()
    return int(json.loads(lines[-1])["number"]) if lines else 0
