"""Versions of shapes: one by its name, several, all of a shape, and what to use instead of one.

Every function takes the accounts (primary keys) that the reader is a member of.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import BigIntegerField, Q, QuerySet, TextField

from catalog.fields.snapshots import Snapshot
from catalog.models import ShapeVersion, TrainingShape
from catalog.visibility import listed, may_see
from lists.orders import Order, behind, page_of
from lists.pages import Page
from lists.prepared import Given, Prepared
from wire.names import DEPLOYMENT_SHAPES, is_id, is_version_id, parse_version_name

NEWEST_FIRST = Order(("-created_at", "-pk"))


def find_version(member_of: Collection[int], account: str, shape: str, version: str = "") -> ShapeVersion | None:
    """One version (the latest validated one where none is named) with all that its page shows, if it may be seen."""
    return _find(_FOR_ITS_PAGE, member_of, account, shape, version)


def find_launched(member_of: Collection[int], account: str, shape: str, version: str = "") -> ShapeVersion | None:
    """The same, where trainers run from it: no deployment shape's. With its base model, without what its page adds."""
    found = _find(_TO_LAUNCH, member_of, account, shape, version)
    return found if found and found.trainer_mode else None


@dataclass(frozen=True)
class _Finding:
    """A version of a shape by its id, and the latest validated one."""

    pinned: Prepared[ShapeVersion]
    latest: Prepared[ShapeVersion]

    @classmethod
    def among(cls, seen: Callable[[Any, Any, Any], QuerySet[ShapeVersion]]) -> _Finding:
        """Among what `seen` says of the accounts, and of account and id of a shape. There is one at most."""
        account, shape = Given("account", TextField()), Given("shape", TextField())
        mine, version = Given("mine", BigIntegerField()), Given("version", TextField())
        return cls(
            Prepared(lambda: seen(mine, account, shape).filter(version_id=version)),
            Prepared(lambda: seen(mine, account, shape).filter(is_latest_validated=True)),
        )


def _find(finding: _Finding, member_of: Collection[int], account: str, shape: str, version: str) -> ShapeVersion | None:
    if not (is_id(account) and is_id(shape) and (version == "" or is_version_id(version))):
        return None
    mine = list(member_of)
    if version:
        return finding.pinned.first(mine=mine, account=account, shape=shape, version=version)
    return finding.latest.first(mine=mine, account=account, shape=shape)


def find_linked(member_of: Collection[int], snapshot: Snapshot) -> ShapeVersion | None:
    """The deployment shape's version that a training shape links, where it is here, may be seen and is offered."""
    parsed = parse_version_name(snapshot.deployment_shape_version or "", DEPLOYMENT_SHAPES)
    found = find_version(member_of, *parsed) if parsed and parsed[2] else None
    return found if found and found.is_offered and found.trainer_mode is None else None


def find_newest(member_of: Collection[int], account: str, shape: str) -> ShapeVersion | None:
    """The latest validated version, else the newest one that may be seen, such as the draft of a new shape.

    With all that its page shows.
    """
    if not (is_id(account) and is_id(shape)):
        return None
    mine = _with_its_page(member_of, account, shape)
    return mine.order_by("-is_latest_validated", "-created_at", "-pk").first()


def _with_its_page(member_of: Collection[int] | Given, account: Any, shape: Any) -> QuerySet[ShapeVersion]:
    return _seen_with_model(member_of, account, shape).select_related("successor__account", "created_by")


def _seen_with_model(member_of: Collection[int] | Given, account: Any, shape: Any) -> QuerySet[ShapeVersion]:
    seen = ShapeVersion.objects.filter(may_see(member_of), _of_shape(account, shape))
    return seen.select_related("shape__account", "shape__base_model__account")


_FOR_ITS_PAGE, _TO_LAUNCH = _Finding.among(_with_its_page), _Finding.among(_seen_with_model)


def latest_versions(
    member_of: Collection[int], shapes: Collection[tuple[str, str]]
) -> dict[tuple[str, str], ShapeVersion]:
    """Of the shapes, named by account and id, the latest validated versions that the reader may see. One query."""
    named = (_of_shape(account, shape) for account, shape in shapes)
    wanted = functools.reduce(operator.or_, named, Q(pk__in=[]))
    found = listed(member_of).filter(wanted).select_related("shape__account", "shape__base_model__account")
    return {(version.shape.account.account_id, version.shape.shape_id): version for version in found}


def named_versions(
    member_of: Collection[int], names: Collection[tuple[str, str, str]]
) -> dict[tuple[str, str, str], ShapeVersion]:
    """Of the versions, named by account, shape and version id, those that the reader may see. One query.

    Without a version id it is the shape's latest validated one, else its newest, such as the draft of a new shape.
    """
    seen = ShapeVersion.objects.filter(may_see(member_of))
    shapes = [_of_shape(account, shape) for account, shape, version in names if not version]
    newest = seen.filter(functools.reduce(operator.or_, shapes, Q(pk__in=[])))
    newest = newest.order_by("shape_id", "-is_latest_validated", "-created_at", "-pk").distinct("shape_id")
    pinned = [_of_shape(account, shape) & Q(version_id=version) for account, shape, version in names if version]
    wanted = functools.reduce(operator.or_, pinned, Q(pk__in=newest.values("pk")))
    rows = seen.filter(wanted).select_related("shape__account", "shape__base_model__account")
    found = {}
    for row in rows.order_by("is_latest_validated", "created_at", "pk"):  # of each shape what a bare name means is last
        account, shape = row.shape.account.account_id, row.shape.shape_id
        found[account, shape, ""] = found[account, shape, row.version_id] = row
    return {name: found[name] for name in names if name in found}


def _of_shape(account: Any, shape: Any) -> Q:
    return Q(shape__account__account_id=account, shape__shape_id=shape)


@dataclass(frozen=True)
class Successor:
    """What to use instead of a deprecated version: what a shape resolves to, or one version where it is `pinned`."""

    version: ShapeVersion
    pinned: bool

    @property
    def shape(self) -> TrainingShape:
        """The shape, with its account."""
        return self.version.shape

    @property
    def name(self) -> str:
        """The resource name of the one that is meant."""
        return self.version.name if self.pinned else self.shape.name

    @property
    def query(self) -> str:
        """What its addresses end with."""
        return f"?version={self.version.version_id}" if self.pinned else ""

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.shape.shape_id} {self.version.version_id}" if self.pinned else self.shape.shape_id


def successor_of(member_of: Collection[int], version: ShapeVersion) -> Successor | None:
    """What to use instead of a deprecated version, as far as the reader may see it and it can be launched.

    Where the version that was named can no longer be launched, it is what its shape resolves to.
    """
    shape = version.successor
    if shape is None:
        return None
    account, identifier = shape.account.account_id, shape.shape_id
    if version.successor_version_id is not None:
        seen = _with_its_page(member_of, account, identifier).filter(pk=version.successor_version_id).first()
        if seen and seen.is_launchable:
            return Successor(seen, pinned=True)
    latest = latest_versions(member_of, [(account, identifier)]).get((account, identifier))
    return Successor(latest, pinned=False) if latest and latest.pk != version.pk else None


def versions_of(
    member_of: Collection[int], shape: TrainingShape, *, older_than: ShapeVersion | None = None
) -> QuerySet[ShapeVersion]:
    """The shape's versions that the reader may see, newest first."""
    versions = ShapeVersion.objects.filter(may_see(member_of), shape=shape)
    if older_than is None:
        return versions.order_by(*NEWEST_FIRST.columns)
    return behind(versions, NEWEST_FIRST, older_than)


def page_of_versions(member_of: Collection[int], shape: TrainingShape, cursor: str, *, size: int) -> Page[ShapeVersion]:
    """A page of them, without what they own. Errors: `NoSuchPage`."""
    versions = versions_of(member_of, shape).defer("snapshot", "launch_fields")
    return page_of(versions, NEWEST_FIRST, cursor, size=size)


def other_versions(member_of: Collection[int], version: ShapeVersion) -> Sequence[ShapeVersion]:
    """Up to 20 other versions of the same shape that the reader may see, newest first."""
    versions = versions_of(member_of, version.shape).exclude(pk=version.pk)
    return list(versions.defer("snapshot", "launch_fields")[:20])
