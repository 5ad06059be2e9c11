"""Times as the wire writes them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(moment: datetime | None) -> str | None:
    """The moment in UTC with a Z, None where there is none."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None
