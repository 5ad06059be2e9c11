"""Times that no script writes anew, such as those of Django's administration."""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils.formats import date_format


def test_they_are_of_24_hours_and_say_utc() -> None:
    assert date_format(datetime(2026, 1, 2, 18, 5, 6, tzinfo=UTC), "DATETIME_FORMAT") == "2026-01-02 18:05:06 UTC"
