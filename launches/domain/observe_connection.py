"""Look at all that runs on a connection in one go, where its kind can: a thousand launches cost a few requests.

What the answer says anew goes through claim and apply like every report. What is as it was costs one statement for all
of it. What the answer leaves out was not told: each is asked for by itself, and only that can say that it is gone. So
is what has log and records to read while it runs and at its end, before its outcome; and where there are no such files,
one that runs after the other, because no list tells of checkpoints.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from connections.domain.look_at_connection import Turn, turn_at
from connections.models import Connection
from connections.opened import provider_to_act
from connections.providers.attempts import Observation, Reference
from connections.providers.base import Provider
from connections.providers.errors import ProviderError
from connections.providers.optional import RecallsAnswering
from connections.providers.states import FINAL, AttemptState
from launches.domain.apply_report import apply_report
from launches.domain.claim_attempt import claim_attempt
from launches.domain.note_reach import note_reach
from launches.live.hints import ADVANCE
from launches.models import Attempt
from launches.poll import Report
from queues.hints import hint, room
from queues.leases import due

MOST_AT_ONCE = 5000
MOST_HINTS = 500
_KEPT = ("state", "ready", "detail", "endpoint", "queue_position", "remote_state", "estimated_start")
"""What an attempt keeps of an observation, under the same names."""
_TO_READ = frozenset({AttemptState.RUNNING, AttemptState.CANCELLING, *FINAL})


def observe_connection(connection_pk: int) -> int:
    """Look once, where nobody else does just now. Answers how many attempts were looked at."""
    now = timezone.now()
    with turn_at(connection_pk, Turn.OBSERVE, now=now) as connection:
        return _observe(connection, now) if connection is not None else 0


def observed_together(now: datetime) -> QuerySet[Attempt]:
    """Attempts that are due and that nobody asked anything for: all there is to do is to look."""
    return Attempt.objects.filter(due(now), submitted_at__isnull=False, cancel_requested_at=None)


def _observe(connection: Connection, now: datetime) -> int:
    rows = observed_together(now).filter(launch__connection=connection).select_related("launch__account")
    attempts = {row.reference: row for row in rows.defer("log_tail").order_by("next_check_at")[:MOST_AT_ONCE]}
    if not attempts:
        return 0
    try:
        provider = provider_to_act(connection)
        if isinstance(provider, RecallsAnswering):
            provider.recall([reference for reference, attempt in attempts.items() if attempt.ready])
        seen = provider.observe_many(list(attempts))
    except ProviderError as error:  # a key that is refused, too: asking again at once would not help
        note_reach(connection, error=error)
        return 0
    note_reach(connection)
    unchanged, changed, by_itself = _sorted(attempts, seen, has_files=provider.capabilities.has_files)
    following = timezone.now() + timedelta(seconds=provider.capabilities.poll_seconds)
    held = Attempt.objects.filter(pk__in=unchanged, lease_token=None, cancel_requested_at=None)
    held.update(observed_at=now, next_check_at=following, failures=0)
    hinted = by_itself[: room(MOST_HINTS)]  # the others are due, and looked at again soon
    Attempt.objects.filter(pk__in=hinted, lease_token=None).update(next_check_at=timezone.now())
    for pk in hinted:
        hint(ADVANCE, pk)
    for pk, observation in changed.items():  # what takes long comes last: a worker that dies there loses only that
        _apply(provider, pk, observation)
    return len(attempts)


def _sorted(
    attempts: Mapping[Reference, Attempt], seen: Mapping[Reference, Observation | ProviderError], *, has_files: bool
) -> tuple[Collection[int], Mapping[int, Observation], Sequence[int]]:
    """By key: what is as it was, what is said anew, and what has to be asked for by itself."""
    unchanged: dict[int, Observation] = {}
    changed: dict[int, Observation] = {}
    by_itself = []
    for reference, attempt in attempts.items():
        match seen.get(reference):
            case Observation() as observation if not (has_files and observation.state in _TO_READ):
                as_it_was = _is_as_it_was(attempt, observation)
                (unchanged if as_it_was else changed)[attempt.pk] = observation
            case _:  # to read, not told, or with an error of its own
                by_itself.append(attempt.pk)
    if running := [pk for pk, observation in unchanged.items() if observation.state is AttemptState.RUNNING]:
        by_itself.append(random.choice(running))  # noqa: S311  (whose turn it is)
        del unchanged[by_itself[-1]]
    return unchanged.keys(), changed, by_itself


def _apply(provider: Provider, attempt_pk: int, observation: Observation) -> None:
    now = timezone.now()
    claim = claim_attempt(attempt_pk, now=now)
    if claim is not None:
        report = Report(observation, poll_seconds=provider.capabilities.poll_seconds)
        apply_report(claim, report, now=now)


def _is_as_it_was(attempt: Attempt, seen: Observation) -> bool:
    """Whether the row says already what was seen."""
    same_version = attempt.remote_version == seen.remote_version or not seen.remote_version
    return (
        same_version and not attempt.absences and all(getattr(attempt, name) == getattr(seen, name) for name in _KEPT)
    )
