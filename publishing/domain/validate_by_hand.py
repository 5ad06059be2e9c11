"""Vouch for a version that no connection can run.

The person is named to members of the account only; everybody else who sees the version reads that a publisher of the
account vouched for it, when, and why. User names are nobody else's business, and the form says so beforehand.
"""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import transaction

from accounts.actors import Actor
from accounts.domain.record import record
from catalog.domain.accept_version import accept_version
from catalog.domain.shape_lock import lock_version
from catalog.free_text import wrong_words
from catalog.models import ShapeVersion
from catalog.rights import require_publisher
from launches.validation_runs import ValidationRun, validation_offer
from publishing.domain.unfinished import next_number, refuse_unfinished
from publishing.findings import LogEntry
from publishing.log import append
from publishing.models import Validation
from publishing.passport import expiry_of, is_renewable
from publishing.states import ValidationKind, ValidationState
from publishing.validation_queries import passport_of
from wire.errors import FailedPrecondition, InvalidArgument, Violation

SHORTEST, LONGEST = 10, 1000


def validate_by_hand(*, actor: Actor, version: ShapeVersion, reason: str, now: datetime) -> Validation:
    """Call the version validated on the actor's word, 10 to 1,000 characters of it, or say so again once that is old.

    Errors: `NotFound`, `PermissionDenied`, `InvalidArgument` for the reason and where the static checks find something,
    `FailedPrecondition` where a connection can run it, or it is validated just now, or already and that counts.
    """
    require_publisher(actor, version.shape.account)
    reason = reason.strip()
    if found := wrong_words("reason", reason, longest=LONGEST):
        raise InvalidArgument(found)
    if len(reason) < SHORTEST:
        given = f"It has {len(reason):,} characters; use {SHORTEST} to {LONGEST:,}."
        raise InvalidArgument([Violation("reason", f"{given} Say why you know that the version runs.")])
    offer = validation_offer(version, ValidationRun(settings.SLIPWAY_VALIDATION_STEPS))
    if offer.connection is not None:
        raise FailedPrecondition(
            f"{offer.connection} can run {version.name}. Have it validated there; a run shows more than a word."
        )
    return _write(actor, version, reason, now)


@transaction.atomic
def _write(actor: Actor, version: ShapeVersion, reason: str, now: datetime) -> Validation:
    version = lock_version(version)
    refuse_unfinished(version)
    number = next_number(version)
    if is_renewable(version, passport_of(version), now):
        record(
            actor=actor,
            verb="renew_passport",
            target=version.name,
            account=version.shape.account,
            after={"validation": number},
            reason=f"By hand: {reason}",
        )
    else:
        version = accept_version(actor=actor, version=version, reason=f"By hand: {reason}")
    validation = Validation(
        version=version,
        number=number,
        kind=ValidationKind.BY_HAND,
        state=ValidationState.PASSED,
        requested_by=actor.user,
        requested_label=actor.label,
        reason=reason,
        outcome="Validated by hand.",
        created_at=now,
        started_at=now,
        finished_at=now,
        expires_at=expiry_of(now),
    )
    append(validation, [LogEntry(f"Validated by hand by {actor.label}: {reason}")], now=now)
    validation.save()
    return validation
