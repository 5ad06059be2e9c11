"""Every verb on versions holds its shape's row first, so that they happen one after the other."""

from __future__ import annotations

from django.utils import timezone

from catalog.models import ShapeVersion, TrainingShape
from catalog.naming import shape_search_text
from wire.errors import Conflict, FailedPrecondition, NotFound


def lock_shape(shape: TrainingShape) -> TrainingShape:
    """The shape, with account and base model, locked until the transaction ends. Errors: `NotFound` once deleted."""
    found = (
        TrainingShape.objects.select_for_update(of=("self",))
        .select_related("account", "base_model__account")
        .filter(pk=shape.pk)
        .first()
    )
    if found is None:
        raise NotFound(f"There is no shape {shape.shape_id} any more; somebody deleted it.")
    return found


def lock_version(version: ShapeVersion) -> ShapeVersion:
    """The version as it stands now, with its shape locked. Errors: `NotFound` where it is gone."""
    shape = lock_shape(version.shape)
    found = ShapeVersion.objects.filter(pk=version.pk).first()
    if found is None:
        raise NotFound(f"There is no version {version.version_id} of {shape.shape_id} any more; somebody deleted it.")
    found.shape = shape
    return found


def latest_of(shape: TrainingShape) -> ShapeVersion | None:
    """The shape's latest validated version."""
    found = shape.versions.filter(is_latest_validated=True).first()
    if found:
        found.shape = shape
    return found


def refuse_surprise(latest: ShapeVersion | None, expected: str | None) -> None:
    """Pass where `latest` is what the caller saw: a version id, "" for none, None where they did not look.

    Errors: `Conflict`.
    """
    there = latest.version_id if latest else ""
    if expected is not None and expected != there:
        raise Conflict(
            f"The latest validated version is {there or 'none'} now; it was {expected or 'none'} when you looked. "
            "See what changed, and decide again."
        )


def point_latest(shape: TrainingShape, version: ShapeVersion | None) -> None:
    """Make `version` the latest validated one, or none. Needs the shape locked.

    The shape takes over the version's label, which lists and search use. A public shape stays one.
    Errors: `FailedPrecondition` where a public version would be superseded by one that is not.
    """
    if version and not version.is_public and shape.versions.filter(is_public=True).exists():
        raise FailedPrecondition(f"{shape.name} is public; only a public version can be its latest.")
    shape.versions.filter(is_latest_validated=True).update(is_latest_validated=False)
    if version is None:
        return
    version.is_latest_validated = True
    version.published_at = version.published_at or timezone.now()
    version.save(update_fields=["is_latest_validated", "is_public", "published_at"])
    shape.display_name = version.frozen_snapshot.display_name
    shape.base_model.refresh_from_db(fields=["search_text"])  # whoever waited for the shape's lock read it before
    shape.search_text = shape_search_text(
        display_name=shape.display_name, shape_id=shape.shape_id, base_model=shape.base_model
    )
    shape.save(update_fields=["display_name", "search_text"])
