"""Rows of several tables in one statement: each as if it had been saved by itself."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.actors import SYSTEM
from accounts.domain.record import entry_of
from accounts.models import AuditEntry
from launches.models import Attempt, Event, Launch
from lists.together import write_together
from tests.launches.makers import make_launch
from tests.makers import make_account

pytestmark = pytest.mark.django_db


def one_more(like: Launch) -> Launch:
    """A launch that is not written yet."""
    told = {field.attname: getattr(like, field.attname) for field in Launch._meta.concrete_fields}
    for own in ("id", "uid", "created_at", "run_seconds"):
        del told[own]
    return Launch(**told | {"job_id": "one-more", "idempotency_key": "one-more"})


def test_each_row_is_as_if_it_had_been_saved_and_knows_those_before_it() -> None:
    launch = one_more(make_launch())
    attempt = Attempt(launch=launch, number=1)
    events = [Event(launch=launch, sequence=n, attempt_number=1, kind="state", message=f"{n} %s") for n in (1, 2)]
    entry = entry_of(actor=SYSTEM, verb="try", target="it's", account=make_account(), after={"a": [1, None, "ü"]})
    with CaptureQueriesContext(connection) as asked:
        write_together(launch, attempt, *events, entry)
    assert len(asked) == 1
    for row in (launch, attempt, *events, entry):
        found = type(row)._default_manager.get(pk=row.pk)
        for field in row._meta.concrete_fields:
            assert getattr(row, field.attname) == getattr(found, field.attname), (row, field)
    assert (attempt.launch_id, [event.launch_id for event in events]) == (launch.pk, [launch.pk] * 2)
    assert (launch.run_seconds, attempt.failures, entry.after) == (0, 0, {"a": [1, None, "ü"]})
    attempt.detail = "Changed."
    attempt.save()
    assert launch.attempts.get().detail == "Changed."


def test_where_one_cannot_be_written_none_is() -> None:
    launch = one_more(make_launch())
    entry = entry_of(actor=SYSTEM, verb="try", target="it", account=None)
    over = Attempt(launch=launch, number=1, finished_at=timezone.now())  # and not in a final state
    with pytest.raises(IntegrityError, match="finished_when_final"), transaction.atomic():
        write_together(entry, launch, over)
    assert not AuditEntry.objects.filter(verb="try").exists()
    assert not Launch.objects.filter(job_id="one-more").exists()
