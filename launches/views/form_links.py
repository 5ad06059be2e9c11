"""The links of a launch form that lead to a launch form: all of them take along what was filled in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from catalog.fields.inputs import Input
from catalog.models import ShapeVersion, TrainingShape
from catalog.version_queries import Successor
from launches.pages.carried import carrying


@dataclass(frozen=True)
class Link:
    """`bare` is the address of the form, from which a script goes on; `address` takes along what the server knows."""

    bare: str
    address: str


@dataclass(frozen=True)
class FormLinks:
    """`again` is a new form of the same version, `latest` of the latest one, `successor` of what to use instead."""

    again: Link
    latest: Link
    successor: Link | None


def form_links(version: ShapeVersion, successor: Successor | None, fields: Sequence[Input]) -> FormLinks:
    """The links of the version's form as it stands."""
    latest = form_address(version.shape)
    again = latest if version.is_latest_validated else form_address(version.shape, version.version_id)
    return FormLinks(
        again=Link(again, carrying(again, fields)),
        latest=Link(latest, carrying(latest, fields)),
        successor=_successor(successor, fields) if successor else None,
    )


def form_address(shape: TrainingShape, version_id: str = "") -> str:
    """Where the form of the shape is, pinned to the version where one is named. Needs `account` loaded."""
    address = reverse("launch_new", args=[shape.account.account_id, shape.shape_id])
    return f"{address}?{urlencode({'version': version_id})}" if version_id else address


def _successor(successor: Successor, fields: Sequence[Input]) -> Link:
    bare = f"{form_address(successor.shape)}{successor.query}"
    return Link(bare, carrying(bare, fields))
