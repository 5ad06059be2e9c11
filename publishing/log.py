"""The lines that a validation leaves for people."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from publishing.findings import Line
from publishing.models import Validation


def append(validation: Validation, lines: Iterable[Line], *, now: datetime) -> None:
    """Add the lines under the validation's state as it stands; the caller saves it."""
    validation.log = [
        *validation.log,
        *({"at": now.isoformat(), "state": validation.state, "level": line.level, "text": line.text} for line in lines),
    ]
