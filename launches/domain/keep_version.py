"""Agree to another version than the launch form showed, so that its trainer can be used."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor
from accounts.domain.record import record
from launches.domain.append_event import append_event
from launches.domain.control import lock_for
from launches.live.wake import wake
from launches.models import Launch
from wire.errors import Conflict, FailedPrecondition


@transaction.atomic
def keep_version(*, actor: Actor, launch: Launch, version: str = "") -> None:
    """The trainer takes calls from now on, and so do later attempts of that version; nothing where it does already.

    `version` is the one that the actor looked at, by name, where that is known. Errors: `NotFound`, `PermissionDenied`,
    `FailedPrecondition` where it is over, `Conflict` where it is of another version by now.
    """
    locked, attempt = lock_for(actor, launch)
    if attempt.is_final:
        raise FailedPrecondition(f"{locked.job_id} is over ({attempt.state}), so there is no version to keep.")
    if attempt.version_asked_at is None:
        return
    if version not in ("", attempt.remote_version):
        raise Conflict(f"{locked.job_id} is of another version by now. Look at what differs, and decide again.")
    locked.agreed_version, attempt.version_asked_at = attempt.remote_version, None
    locked.save(update_fields=["agreed_version"])
    attempt.save(update_fields=["version_asked_at"])
    kept = attempt.remote_version.rpartition("/")[2]
    append_event(locked, kind="agreed", message=f"Keeps version {kept}: the trainer can be used", actor=actor)
    record(
        actor=actor,
        verb="keep_version",
        target=locked.name,
        account=locked.account,
        before={"version": locked.spec["training_shape_version"]},
        after={"version": attempt.remote_version},
    )
    wake(locked)
