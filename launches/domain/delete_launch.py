"""Delete a launch: hide it, end it where it runs, and remove its files, its checkpoints later.

Its row stays as a tombstone.
"""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor
from accounts.domain.record import record
from launches.domain.append_event import append_event
from launches.domain.cancel_launch import request_cancel
from launches.domain.control import lock_for
from launches.live.hints import PURGE
from launches.live.wake import wake
from launches.models import Launch
from launches.retention import retention_of
from queues.hints import hint_on_commit


@transaction.atomic
def delete_launch(*, actor: Actor, launch: Launch) -> None:
    """Write the tombstone; nothing where there is one already. The job id stays taken for ever.

    Errors: `NotFound`, `PermissionDenied`.
    """
    locked, attempt = lock_for(actor, launch)
    if locked.deleted_at is not None:
        return
    if not attempt.is_final:
        request_cancel(actor, locked, attempt)
    locked.deleted_at = locked.purge_due_at = timezone.now()
    locked.kept_until = locked.deleted_at + retention_of(locked.account)
    locked.save(update_fields=["deleted_at", "kept_until", "purge_due_at"])
    append_event(locked, kind="deleted", message="Deleted", actor=actor)
    record(actor=actor, verb="delete_launch", target=locked.name, account=locked.account, before={"spec": locked.spec})
    wake(locked)
    hint_on_commit(PURGE, locked.pk)
