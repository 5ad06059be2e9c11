"""Where the pages of shapes and versions are."""

from __future__ import annotations

from django.urls import reverse

from catalog.models import ShapeVersion, TrainingShape
from publishing.pages.actions import Verb


def shape_page(shape: TrainingShape) -> str:
    """The shape's own page among the publishing pages."""
    return reverse("publish_shape", args=[shape.account.account_id, shape.shape_id])


def action_page(verb: Verb, version: ShapeVersion) -> str:
    """Where a verb is done, or confirmed. Needs `shape__account` loaded."""
    shape = [version.shape.account.account_id, version.shape.shape_id]
    match verb:
        case Verb.EDIT:
            return reverse("draft_edit", args=[*shape, version.version_id])
        case Verb.REVISE:
            return reverse("draft_new", args=shape) + f"?from={version.version_id}"
        case Verb.CLONE:
            return reverse("shape_clone", args=[*shape, version.version_id])
        case Verb.VALIDATE | Verb.VALIDATION:
            return reverse("validation", args=[*shape, version.version_id])
    return reverse("publish_verb", args=[*shape, version.version_id, verb])
