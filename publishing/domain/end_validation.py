"""Write a validation's outcome together with what it means for the version: the only way that one ends."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from accounts.actors import SYSTEM, Actor
from accounts.domain.record import record
from catalog.domain.accept_version import accept_version
from catalog.domain.reject_version import reject_version
from catalog.models import ShapeVersion
from catalog.states import VersionState
from launches.domain.cancel_launch import cancel_launch
from launches.models import Launch
from publishing.findings import LogEntry, launch_key
from publishing.log import append
from publishing.models import Validation
from publishing.passport import expiry_of
from publishing.states import ValidationState
from wire.errors import FailedPrecondition


def end_validation(
    validation: Validation,
    version: ShapeVersion,
    state: ValidationState,
    outcome: str,
    *,
    lines: Sequence[LogEntry],
    now: datetime,
    actor: Actor = SYSTEM,
) -> None:
    """Needs the version's shape locked, then the validation. A launch that still runs is cancelled.

    A version that is being validated becomes VALIDATED or REJECTED; one that was validated before stays so, whatever
    this run found.
    """
    passed = state is ValidationState.PASSED
    validation.state, validation.outcome, validation.finished_at = state, outcome, now
    validation.lease_token = validation.lease_until = None
    if passed:
        validation.expires_at = expiry_of(now)
    append(validation, lines, now=now)
    reason = f"Validation {validation.number}: {outcome}"
    if version.state == VersionState.VALIDATING:
        verb = accept_version if passed else reject_version
        verb(actor=actor, version=version, reason=reason)
    record(
        actor=actor,
        verb="end_validation",
        target=version.name,
        account=version.shape.account,
        after={"validation": validation.number, "state": state},
        reason=outcome,
    )
    launch = _launch_of(validation, version)
    validation.launch = launch
    validation.save()
    if launch is not None:
        with suppress(FailedPrecondition):  # it is over
            cancel_launch(actor=actor, launch=launch)


def _launch_of(validation: Validation, version: ShapeVersion) -> Launch | None:
    """Its launch, also where the worker that made it died before it could say so."""
    # Whoever writes a launch of the version holds this row: wait for them, so that none is overlooked.
    ShapeVersion.objects.select_for_update(no_key=True).get(pk=version.pk)
    if validation.launch_id is not None:
        return Launch.objects.select_related("account").get(pk=validation.launch_id)
    made = Launch.objects.filter(owner=validation.requested_by_id, idempotency_key=launch_key(validation))
    return made.select_related("account").first()
