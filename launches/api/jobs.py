"""Jobs as answers show them: found, and given their attempts, by queries whose SQL is written once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from django.db.models import BigIntegerField, F, QuerySet, TextField

from accounts.models import Account
from launches.models import Attempt, Launch
from lists.prepared import Among, Given, Prepared

_SHOWN = (
    *("job_id", "display_name", "created_at", "deleted_at", "spec", "purpose", "managed_by"),
    *("account__account_id", "owner__username", "connection__name"),
)
_SHOWN_OF_ATTEMPTS = (
    *("launch_id", "number", "state", "reason", "detail", "ready", "silent_since", "started_at", "finished_at"),
    *("remote_version", "version_asked_at"),
)
_RELATED = ("account", "connection", "owner")


def living_jobs(account: Account) -> QuerySet[Launch]:
    """The account's that were not deleted, with what a list of them shows."""
    rows = Launch.objects.filter(account=account, deleted_at__isnull=True)
    return rows.select_related(*_RELATED).only(*_SHOWN)


def job_of(account: Account, job: str) -> Launch | None:
    """The account's job of that id, also where it was deleted; None where there is none."""
    found = _JOB.rows(account=account.pk, job=job)
    return next(iter(with_attempts(found)), None)


def with_attempts(launches: Sequence[Launch]) -> Sequence[Launch]:
    """The launches, their attempts known."""
    if not launches:
        return launches
    found = defaultdict(list)
    for attempt in _ATTEMPTS.rows(launches=[launch.pk for launch in launches]):
        found[attempt.launch_id].append(attempt)
    for launch in launches:
        launch.every_attempt = found[launch.pk]
    return launches


_JOB = Prepared(
    lambda: Launch.objects.select_related(*_RELATED).filter(
        account=Given("account", BigIntegerField()), job_id=Given("job", TextField())
    )
)
_ATTEMPTS = Prepared(
    lambda: Attempt.objects.only(*_SHOWN_OF_ATTEMPTS).filter(
        Among(F("launch_id"), Given("launches", BigIntegerField()))
    )
)
