"""Times of the database are read as Django reads them: in UTC, with Python's own time zone of that name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Account
from tests.makers import make_account

pytestmark = pytest.mark.django_db


@given(st.datetimes(timezones=st.timezones()))
def test_times_are_read_in_utc(at: datetime) -> None:
    try:
        at.astimezone(UTC)
    except OverflowError:  # of the year 1 or 9999, beyond what Python knows in UTC
        return
    for cursor in (connection.cursor(), connection.chunked_cursor()):
        with cursor:
            cursor.execute("SELECT %s, %s::timestamptz[]", [at, [at]])
            found, (inner,) = cursor.fetchone()
        assert found == inner == at.astimezone(UTC)
        assert (found.tzinfo, found.utcoffset()) == (UTC, timedelta())


def test_times_are_read_in_utc_where_many_rows_are_read_one_after_the_other() -> None:
    made = make_account()
    rows = Account.objects.filter(pk=made.pk).values_list("created_at", flat=True)
    assert [at.tzinfo for at in rows.iterator(chunk_size=1)] == [UTC]
    assert list(rows) == list(rows.iterator()) != []
