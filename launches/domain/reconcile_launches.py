"""Compare what a connection runs with what is recorded here."""

from __future__ import annotations

import time
from collections.abc import Mapping

import structlog
from django.utils import timezone

from connections.domain.look_at_connection import Turn, turn_at
from connections.models import Connection
from connections.opened import provider_to_act
from connections.providers.attempts import NEWEST_ATTEMPT, Reference
from connections.providers.base import Provider
from connections.providers.errors import ProviderError, SecretRefused, Unreachable
from connections.providers.states import AttemptState
from launches.domain.note_reach import note_reach
from launches.domain.note_unknown_trainers import note_unknown_trainers
from launches.models import Attempt, Launch

COMPARE_SECONDS = 60.0
"""After which the rest is left to the next time; below CELERY_TASK_TIME_LIMIT, at which a worker would be killed."""
_NOT_OURS_TO_END = frozenset({AttemptState.REJECTED, AttemptState.LOST})
log = structlog.get_logger(__name__)


def reconcile_launches(connection_pk: int) -> int:
    """Cancel what runs there though its attempt is over here, which a worker that died at the wrong moment leaves.

    What nobody recorded here is left alone until an admin asks for its end: it may be another Slipway's. So is what the
    provider has under the id of an attempt that it refused: of that it took nothing; and what was lost and is there
    again, since it may have trained all the while. One worker at a time compares with a connection, and nobody with one
    that is left alone for a while; where it does not answer, nothing changes but that. Answers how many were cancelled.
    """
    with turn_at(connection_pk, Turn.COMPARE, now=timezone.now()) as connection:
        if connection is None:
            return 0
        try:
            return _reconcile(connection, provider_to_act(connection))
        except (Unreachable, SecretRefused) as error:
            note_reach(connection, error=error)
        except ProviderError as error:
            log.warning("reconcile.postponed", connection=connection.name, error=str(error))
        except Exception as error:
            log.exception("reconcile.fault", connection=connection.name, error=repr(error))
        return 0


def _reconcile(connection: Connection, provider: Provider) -> int:
    """Errors: `ProviderError`."""
    until, cancelled, unknown = time.monotonic() + COMPARE_SECONDS, 0, []
    adopted = _adopted_on(connection)
    references = provider.list_references()
    note_reach(connection)
    for reference in references:
        attempt = _attempt_of(connection, reference, adopted)
        if attempt is None or attempt.state in _NOT_OURS_TO_END:
            unknown.append(reference)
        elif attempt.is_final and time.monotonic() < until:
            cancelled += _cancel(connection, provider, reference)
    note_unknown_trainers(connection=connection, provider=provider, references=unknown, now=timezone.now(), until=until)
    return cancelled


def _cancel(connection: Connection, provider: Provider, reference: Reference) -> bool:
    """Whether it was asked to end. Errors: `Unreachable`, `SecretRefused`."""
    words = {"connection": connection.name, "job": reference.job, "attempt": reference.attempt}
    try:
        provider.cancel(reference)
    except (Unreachable, SecretRefused):
        raise
    except ProviderError as error:  # gone meanwhile, or for the next time
        log.warning("reconcile.uncancelled", **words, error=str(error))
        return False
    log.warning("reconcile.cancelled", **words)
    return True


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
