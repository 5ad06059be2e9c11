"""Ask for the validation of a version."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import transaction

from accounts.actors import Actor
from accounts.domain.record import record
from catalog.domain.shape_lock import lock_version
from catalog.domain.start_validating import start_validating
from catalog.fields.checks import problems
from catalog.models import ShapeVersion
from catalog.rights import require_publisher
from catalog.states import VersionState
from launches.offers import refusal_sentence
from launches.space import require_space
from launches.validation_runs import BY_HAND_ONLY, ValidationRun, validation_offer
from publishing.domain.unfinished import next_number, refuse_unfinished
from publishing.findings import LogEntry
from publishing.hints import ADVANCE
from publishing.log import append
from publishing.models import Validation
from publishing.states import ValidationKind
from queues.hints import hint_on_commit
from wire.errors import FailedPrecondition, InvalidArgument, PermissionDenied


def request_validation(*, actor: Actor, version: ShapeVersion, now: datetime) -> Validation:
    """Queue a validation; the version is being validated from now on, or stays validated while it is measured anew.

    Errors: `NotFound`, `PermissionDenied`, `InvalidArgument` where the static checks find something, so that a draft
    can still be corrected, `FailedPrecondition` where it is being validated already, is withdrawn, or no
    connection can run it, `ResourceExhausted` where the disk is nearly full.
    """
    require_publisher(actor, version.shape.account)
    if actor.user is None:
        raise PermissionDenied("A validation launches, and a launch has an owner: only a user can ask for one.")
    if found := problems(version.frozen_snapshot, version.fields, version.fields_edition):
        raise InvalidArgument(found)
    steps: int = settings.SLIPWAY_VALIDATION_STEPS
    offer = validation_offer(version, ValidationRun(steps))
    if version.trainer_mode is None:
        raise FailedPrecondition(BY_HAND_ONLY)
    if offer.connection is None:
        raise FailedPrecondition(f"{refusal_sentence(offer)} Validate it by hand, if you know that it runs.")
    require_space()
    return _write(actor, version, steps, now)


@transaction.atomic
def _write(actor: Actor, version: ShapeVersion, steps: int, now: datetime) -> Validation:
    version = lock_version(version)
    refuse_unfinished(version)
    if version.withdrawn_at is not None:
        raise FailedPrecondition(f"{version.name} was withdrawn, so there is nothing left to measure.")
    if version.state in {VersionState.DRAFT, VersionState.REJECTED}:
        version = start_validating(actor=actor, version=version)
    validation = Validation(
        version=version,
        number=next_number(version),
        kind=ValidationKind.RUN,
        requested_by=actor.user,
        requested_label=actor.label,
        steps=steps,
        created_at=now,
        next_check_at=now,
    )
    append(validation, [LogEntry(f"Asked for by {actor.label}")], now=now)
    validation.save()
    record(
        actor=actor,
        verb="request_validation",
        target=version.name,
        account=version.shape.account,
        after={"validation": validation.number, "steps": steps},
    )
    hint_on_commit(ADVANCE, validation.pk)
    return validation
