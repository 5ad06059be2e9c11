"""Every verb on versions holds its shape's row first, so that they happen one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils import timezone

from catalog.models import BaseModel, ShapeVersion, TrainingShape
from catalog.naming import shape_search_text
from wire.errors import Conflict, FailedPrecondition, NotFound


def lock_shape(shape: TrainingShape) -> TrainingShape:
    """The shape, with account and base model, locked until the transaction ends. Errors: `NotFound` once deleted."""
    return lock_shapes([shape])[0]


def lock_shapes(shapes: Sequence[TrainingShape]) -> list[TrainingShape]:
    """Those shapes, in that order, locked in the order of their rows. Errors: as in `lock_shape`."""
    rows = (
        TrainingShape.objects.select_for_update(of=("self",))
        .select_related("account", "base_model__account")
        .filter(pk__in=[shape.pk for shape in shapes])
        .order_by("pk")
    )
    found = {row.pk: row for row in rows}
    for shape in shapes:
        if shape.pk not in found:
            raise NotFound(f"There is no shape {shape.shape_id} any more; somebody deleted it.")
    return [found[shape.pk] for shape in shapes]


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
    return latest_of_each([shape]).get(shape.pk)


def latest_of_each(shapes: Sequence[TrainingShape]) -> dict[int, ShapeVersion]:
    """The latest validated version of each shape that has one, by the shape's primary key."""
    by_pk = {shape.pk: shape for shape in shapes}
    found = {row.shape_id: row for row in ShapeVersion.objects.filter(shape__in=by_pk, is_latest_validated=True)}
    for pk, version in found.items():
        version.shape = by_pk[pk]
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
    """Make `version` the latest validated one, or none. Needs the shape locked. Errors: as of many."""
    if version:
        point_latest_of_each([version])
    else:
        _point_at_none([shape])


def point_latest_of_each(versions: Sequence[ShapeVersion]) -> None:
    """Make each the latest validated one of its shape; writes those that are new. Needs the shapes locked.

    The shape takes over the version's label, which lists and search use. A public shape stays one.
    Errors: `FailedPrecondition` where a public version would be superseded by one that is not.
    """
    _refuse_hiding([version.shape for version in versions if not version.is_public])
    _point_at_none([version.shape for version in versions])
    now = timezone.now()
    for version in versions:
        version.is_latest_validated = True
        version.published_at = version.published_at or now
    there = [version for version in versions if version.pk is not None]
    ShapeVersion.objects.bulk_create([version for version in versions if version.pk is None])
    ShapeVersion.objects.bulk_update(there, ["is_latest_validated", "is_public", "published_at"])
    _take_labels(versions)


def _refuse_hiding(shapes: list[TrainingShape]) -> None:
    public = set(ShapeVersion.objects.filter(shape__in=shapes, is_public=True).values_list("shape_id", flat=True))
    for shape in shapes:
        if shape.pk in public:
            raise FailedPrecondition(f"{shape.name} is public; only a public version can be its latest.")


def _point_at_none(shapes: list[TrainingShape]) -> None:
    ShapeVersion.objects.filter(shape__in=shapes, is_latest_validated=True).update(is_latest_validated=False)


def _take_labels(versions: Sequence[ShapeVersion]) -> None:
    """What lists and search use, as the base models are now: whoever waited for a shape's lock read them before."""
    models = BaseModel.objects.in_bulk({version.shape.base_model_id for version in versions})
    changed = []
    for version in versions:
        shape, label = version.shape, version.snapshot["displayName"]
        search = shape_search_text(display_name=label, shape_id=shape.shape_id, base_model=models[shape.base_model_id])
        if (shape.display_name, shape.search_text) != (label, search):
            shape.display_name, shape.search_text = label, search
            changed.append(shape)
    TrainingShape.objects.bulk_update(changed, ["display_name", "search_text"])
