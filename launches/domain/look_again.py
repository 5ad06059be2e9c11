"""Ask a connection again, now, for an attempt that it did not know or did not answer for."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor, require_manager
from accounts.domain.record import record
from connections.domain.note_answer import try_at_once
from launches.live.hints import ADVANCE
from launches.models import Attempt
from queues.hints import hint_on_commit


@transaction.atomic
def look_again(*, actor: Actor, attempt: Attempt) -> None:
    """Nothing is decided by it; nothing where the attempt is over. Errors: `NotFound`, `PermissionDenied`."""
    launch, now = attempt.launch, timezone.now()
    require_manager(actor, launch.account)
    if not Attempt.objects.filter(pk=attempt.pk, finished_at=None).update(next_check_at=now):
        return
    try_at_once(connection=launch.connection, now=now)
    record(actor=actor, verb="look_again", target=launch.name, account=launch.account)
    hint_on_commit(ADVANCE, attempt.pk)
