"""One validation of a version at a time: what request and validate by hand share."""

from __future__ import annotations

from catalog.models import ShapeVersion
from publishing.models import Validation
from wire.errors import FailedPrecondition


def refuse_unfinished(version: ShapeVersion) -> None:
    """Pass where no validation of the version is under way. Needs the shape locked. Errors: `FailedPrecondition`."""
    under_way = Validation.objects.filter(version=version.pk, finished_at__isnull=True).first()
    if under_way is not None:
        raise FailedPrecondition(
            f"Validation {under_way.number} of {version.name} is under way. Wait for its end, or stop it."
        )


def next_number(version: ShapeVersion) -> int:
    """The number of the version's next validation. Needs the shape locked."""
    newest = Validation.objects.filter(version=version.pk).order_by("-number").first()
    return newest.number + 1 if newest else 1
