"""Remove the checkpoints of a deleted launch now, before their time is over."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor
from accounts.domain.record import record
from launches.domain.append_event import append_event
from launches.domain.control import lock_for
from launches.live.hints import PURGE
from launches.live.wake import wake
from launches.models import Launch
from queues.hints import hint_on_commit
from wire.errors import FailedPrecondition


@transaction.atomic
def discard_checkpoints(*, actor: Actor, launch: Launch) -> None:
    """Nothing where they are gone already, or about to be.

    Errors: `NotFound`, `PermissionDenied`, `FailedPrecondition` where the launch itself was not deleted.
    """
    locked, _ = lock_for(actor, launch)
    if locked.kept_until is None:
        raise FailedPrecondition(f"{locked.name} was not deleted: its checkpoints are its own. Delete it first.")
    now = timezone.now()
    if locked.purged_at is not None or locked.kept_until <= now:
        return
    kept = {"checkpoints": locked.checkpoints.count(), "until": locked.kept_until.isoformat()}
    locked.kept_until = locked.purge_due_at = now
    locked.save(update_fields=["kept_until", "purge_due_at"])
    append_event(locked, kind="discarded", message="Checkpoints removed", actor=actor)
    record(actor=actor, verb="discard_checkpoints", target=locked.name, account=locked.account, before=kept)
    wake(locked)
    hint_on_commit(PURGE, locked.pk)
