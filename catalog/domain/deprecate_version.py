"""Warn everybody who launches from a version."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor
from accounts.domain.record import record
from catalog.domain.publish_version import refuse_unready, shown_to_all
from catalog.domain.shape_lock import latest_of, lock_version
from catalog.free_text import wrong_words
from catalog.models import ShapeVersion, TrainingShape
from catalog.rights import require_publisher
from catalog.states import VersionState
from wire.errors import InvalidArgument, Violation

LONGEST_MESSAGE = 500


@transaction.atomic
def deprecate_version(
    *, actor: Actor, version: ShapeVersion, message: str, successor: TrainingShape | ShapeVersion | None = None
) -> ShapeVersion:
    """Launches from it are warned with the message, and pointed to the successor; again to change either.

    `successor` is a shape, whatever it resolves to, or one version, of the same shape too; the actor must be one who
    may see it. Errors: `NotFound`, `PermissionDenied`, `InvalidArgument`,
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
    version.successor = successor.shape if isinstance(successor, ShapeVersion) else successor
    version.successor_version = successor if isinstance(successor, ShapeVersion) else None
    version.save(update_fields=["deprecated_at", "deprecation_message", "successor", "successor_version"])
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
        "successor": named.name if (named := version.successor_version or version.successor) else None,
    }


def _wrong_message(message: str) -> list[Violation]:
    if not message:
        return [Violation("message", "It is empty. Say why, and what to use instead.")]
    return wrong_words("message", message, longest=LONGEST_MESSAGE)


def _wrong_successor(version: ShapeVersion, successor: TrainingShape | ShapeVersion | None) -> list[Violation]:
    if successor is None:
        return []
    named = successor.shape if isinstance(successor, ShapeVersion) else successor
    refuse = (
        f"{named.name} is no {version.shape.kind} shape. Name one."
        if named.kind != version.shape.kind
        else _refuse_version(version, successor)
        if isinstance(successor, ShapeVersion)
        else _refuse_shape(version, successor)
    )
    return [Violation("successor", refuse)] if refuse else []


def _refuse_shape(version: ShapeVersion, successor: TrainingShape) -> str:
    latest = latest_of(successor)
    if latest is None:
        return f"{successor.name} has no published version, so there is nothing to use instead. Name another one."
    if latest.pk == version.pk:
        return (
            "It is the same shape, and this version is its latest. Name another shape, or another version of this one."
        )
    if not shown_to_all(version, latest, public=version.is_public):
        return f"{successor.name} has no version that all users of this one may see."
    return ""


def _refuse_version(version: ShapeVersion, successor: ShapeVersion) -> str:
    if successor.pk == version.pk:
        return "It is this version itself. Name another one."
    if successor.state != VersionState.VALIDATED:
        return f"{successor.name} is {successor.state.lower()}, so nobody can launch it. Name one that is validated."
    if successor.withdrawn_at is not None:
        return f"{successor.name} was withdrawn, so nobody can launch it any more. Name another one."
    if successor.deprecated_at is not None:
        return f"{successor.name} is deprecated itself. Name what its own users are sent to."
    if not shown_to_all(version, successor, public=version.is_public):
        return f"{successor.name} is not public, so not all users of this one may see it. Name one that is."
    return ""
