"""The lines that a validation leaves for people, and what they tell of steps that broke."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from publishing.findings import LogEntry
from publishing.models import Validation

FAULT = "fault"
LONGEST_FAULT = 500


def append(validation: Validation, lines: Iterable[LogEntry], *, now: datetime) -> None:
    """Add the lines under the validation's state as it stands; the caller saves it."""
    validation.log = [
        *validation.log,
        *({"at": now.isoformat(), "state": validation.state, "level": line.level, "text": line.text} for line in lines),
    ]


def append_fault(validation: Validation, what: str, *, now: datetime) -> None:
    """Add that this step broke, and for which time in a row (`failures`); the caller saves it."""
    told = "".join(letter if letter.isprintable() else " " for letter in what)[:LONGEST_FAULT]
    append(validation, [LogEntry(f"Try {validation.failures} of this step broke. {told}", FAULT)], now=now)


def newest_fault(validation: Validation) -> str:
    """What was said of the newest try that broke; "" where none did."""
    return next((line["text"] for line in reversed(validation.log) if line["level"] == FAULT), "")
