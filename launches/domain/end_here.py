"""End an attempt here by a person's word, where its connection has no word of it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor, require_manager, require_superuser
from accounts.domain.record import record
from connections.models import Connection
from connections.providers.states import AttemptState, Reason
from launches.domain.end_references import end_references
from launches.domain.move import move
from launches.models import Attempt, Launch
from wire.errors import FailedPrecondition


@transaction.atomic
def end_here(*, actor: Actor, attempt: Attempt) -> None:
    """Move it to LOST. Nothing is told to the connection: what runs there, runs on, and is listed when it shows.

    Of a connection that does not answer, only superusers say so: its trainer may well run.
    Errors: `NotFound`, `PermissionDenied`, `FailedPrecondition` where it is over, or its connection answers for it.
    """
    launch = (
        Launch.objects.select_for_update(of=("self",)).select_related("account", "connection").get(pk=attempt.launch_id)
    )
    require_manager(actor, launch.account)
    row = Attempt.objects.select_for_update().defer("log_tail").get(pk=attempt.pk)
    if row.is_final:
        raise FailedPrecondition(f"{launch.job_id} is over ({row.state}).")
    if row.absent_since is None and launch.connection.silent_since is None:
        raise FailedPrecondition(f"{launch.connection} answers for {launch.job_id}: cancel it instead.")
    if row.absent_since is None:
        require_superuser(actor)
    row.give_back(due=timezone.now())  # a worker that asks for it just now is late
    detail = f"Ended here by {actor.label}: {_why(launch.connection, row.absent_since)}"
    before = {"state": row.state}
    record(actor=actor, verb="end_here", target=launch.name, account=launch.account, before=before, reason=detail)
    reason = Reason.UNKNOWN_TO_PROVIDER
    move(launch, row, AttemptState.LOST, now=timezone.now(), detail=detail, reason=reason, actor=actor)
    end_references(launch)


def _why(connection: Connection, absent_since: datetime | None) -> str:
    if absent_since is not None:
        return f"{connection} knows no such job."
    return f"{connection} does not answer. Its trainer may still run there."
