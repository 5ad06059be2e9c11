"""Warn everybody who launches from a version."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor
from accounts.domain.record import record
from catalog.domain.publish_version import leads_on, refuse_unready
from catalog.domain.shape_lock import lock_version
from catalog.free_text import wrong_words
from catalog.models import ShapeVersion, TrainingShape
from catalog.rights import require_publisher
from wire.errors import InvalidArgument, Violation

LONGEST_MESSAGE = 500


@transaction.atomic
def deprecate_version(
    *, actor: Actor, version: ShapeVersion, message: str, successor: TrainingShape | None = None
) -> ShapeVersion:
    """Launches from it are warned with the message, and pointed to the successor; again to change either.

    `successor` must be one that the actor may see. Errors: `NotFound`, `PermissionDenied`, `InvalidArgument`,
    `FailedPrecondition` where the version is not validated or withdrawn.
    """
    require_publisher(actor, version.shape.account)
    version = lock_version(version)
    refuse_unready(version)
    message = message.strip()
    if found := [*_wrong_message(message), *_wrong_successor(version, successor)]:
        raise InvalidArgument(found)
    before = deprecation_of(version)
    version.deprecated_at = version.deprecated_at or timezone.now()
    version.deprecation_message = message
    version.successor = successor
    version.save(update_fields=["deprecated_at", "deprecation_message", "successor"])
    record(
        actor=actor,
        verb="deprecate_version",
        target=version.name,
        account=version.shape.account,
        before=before,
        after=deprecation_of(version),
        reason=message,
    )
    return version


def deprecation_of(version: ShapeVersion) -> dict[str, str | bool | None]:
    """For the audit log."""
    return {
        "deprecated": version.deprecated_at is not None,
        "message": version.deprecation_message,
        "successor": version.successor.name if version.successor else None,
    }


def _wrong_message(message: str) -> list[Violation]:
    if not message:
        return [Violation("message", "It is empty. Say why, and what to use instead.")]
    return wrong_words("message", message, longest=LONGEST_MESSAGE)


def _wrong_successor(version: ShapeVersion, successor: TrainingShape | None) -> list[Violation]:
    if successor is None:
        return []
    if successor.pk == version.shape_id:
        return [Violation("successor", "It is the same shape. Name another one, or publish a new version instead.")]
    if not leads_on(version, successor, public=version.is_public):
        return [Violation("successor", f"{successor.name} has no version that all users of this one may see.")]
    return []
