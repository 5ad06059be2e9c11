"""Compare what the providers run with what is recorded here."""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from django.utils import timezone

from connections.models import Connection
from connections.opened import provider_to_act
from connections.providers.base import NEWEST_ATTEMPT, ProviderError, Reference
from connections.providers.states import AttemptState
from connections.queries import living_connections
from launches.domain.note_unknown_trainers import note_unknown_trainers
from launches.models import Attempt, Launch

_NOT_OURS_TO_END = frozenset({AttemptState.REJECTED, AttemptState.LOST})
log = structlog.get_logger(__name__)


def reconcile_launches() -> int:
    """Cancel what a provider runs though its attempt is over here, which a worker that died at the wrong moment leaves.

    What nobody recorded here is left alone until an admin asks for its end: it may be another Slipway's. So is what the
    provider has under the id of an attempt that it refused: of that it took nothing; and what was lost and is there
    again, since it may have trained all the while. Answers how many were cancelled.
    """
    return sum(_reconcile(connection) for connection in living_connections())


def _reconcile(connection: Connection) -> int:
    cancelled = 0
    unknown = []
    try:
        provider = provider_to_act(connection)
        adopted = _adopted_on(connection)
        for reference in provider.list_references():
            attempt = _attempt_of(connection, reference, adopted)
            if attempt is None or attempt.state in _NOT_OURS_TO_END:
                unknown.append(reference)
            elif attempt.is_final:
                provider.cancel(reference)
                cancelled += 1
                log.warning("reconcile.cancelled", **_words(connection, reference))
        note_unknown_trainers(connection=connection, provider=provider, references=unknown, now=timezone.now())
    except ProviderError as error:
        log.warning("reconcile.postponed", connection=connection.name, error=str(error))
    except Exception as error:  # whatever it says, the other connections are compared
        log.exception("reconcile.fault", connection=connection.name, error=repr(error))
    return cancelled


def _attempt_of(connection: Connection, reference: Reference, adopted: Mapping[tuple[str, str], int]) -> Attempt | None:
    """The newest one where the engine counts none; by the engine's own id where it keeps no account."""
    there = Attempt.objects.filter(launch__connection=connection)
    if launch := adopted.get((reference.account, reference.job)):
        ours = there.filter(launch=launch)
    elif not reference.account:
        found = there.filter(remote_id=reference.job).order_by("-number").first()
        # which may be over while its launch, resumed, has a newer one that has not heard the id yet
        return there.filter(launch=found.launch_id).order_by("-number").first() if found else None
    else:
        ours = there.filter(
            launch__account__account_id=reference.account, launch__job_id=reference.job, launch__adopted_job=""
        )
    if reference.attempt == NEWEST_ATTEMPT:
        return ours.order_by("-number").first()
    return ours.filter(number=reference.attempt).first()


def _adopted_on(connection: Connection) -> dict[tuple[str, str], int]:
    """The launches there that it knows by another name than ours."""
    found = Launch.objects.filter(connection=connection).exclude(adopted_job="")
    return {(account, job): pk for account, job, pk in found.values_list("adopted_account", "adopted_job", "pk")}


def _words(connection: Connection, reference: Reference) -> dict[str, object]:
    return {"connection": connection.name, "job": reference.job, "attempt": reference.attempt}
