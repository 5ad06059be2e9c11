"""Make a validated version the one that its shape resolves to."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor
from accounts.domain.record import record
from catalog.domain.shape_lock import latest_of, lock_version, point_latest, refuse_surprise
from catalog.enums import PUBLIC_ACCOUNT
from catalog.fields.checks import missing_facts
from catalog.models import ShapeVersion
from catalog.rights import require_publisher
from catalog.states import VersionState
from wire.errors import FailedPrecondition, InvalidArgument


@transaction.atomic
def publish_version(
    *, actor: Actor, version: ShapeVersion, public: bool, expected_latest: str | None, reason: str = ""
) -> ShapeVersion:
    """The version becomes the latest validated one, for its account or (`public`) for everybody.

    `expected_latest` is the version id that the publisher saw as the latest ("" for none); None where nobody looked.
    Publishing what is the latest already only makes it public where asked; doing that twice changes nothing. Running
    launches keep what they recorded. Errors: `NotFound`, `PermissionDenied`; `Conflict` where another version became
    the latest in between; `InvalidArgument` where facts are missing that users of the shape need;
    `FailedPrecondition` where it is not validated or withdrawn, was published earlier (that is a `roll_back`), would
    take a public shape back, or would point everybody to a successor that they may not see.
    """
    require_publisher(actor, version.shape.account)
    version = lock_version(version)
    was_public = version.is_public
    before = latest_of(version.shape)
    if before and before.pk == version.pk and version.is_public >= public:
        return version
    refuse_unready(version)
    refuse_surprise(before, expected_latest)
    if version.published_at is not None and not version.is_latest_validated:
        way = "forward" if version.is_newer_than(before) else "back"
        raise FailedPrecondition(f"{version.name} was published earlier and replaced since. Roll {way} to it instead.")
    if public and (named := version.successor_version or version.successor) and not _leads_everybody_on(version):
        raise FailedPrecondition(
            f"{version.name} is deprecated for {named.name}, which not everybody may see. Make that public "
            "first, or change the deprecation."
        )
    if version.shape.account.account_id != PUBLIC_ACCOUNT and (missing := missing_facts(version.frozen_snapshot)):
        raise InvalidArgument(missing)
    version.is_public = version.is_public or public
    point_latest(version.shape, version)
    record(
        actor=actor,
        verb="publish_version",
        target=version.name,
        account=version.shape.account,
        before={"latestValidated": before.version_id if before else None, "public": was_public},
        after={"latestValidated": version.version_id, "public": version.is_public, "digest": version.digest},
        reason=reason,
    )
    return version


def refuse_unready(version: ShapeVersion) -> None:
    """Errors: `FailedPrecondition` where the version is not validated, or withdrawn."""
    if version.state != VersionState.VALIDATED:
        raise FailedPrecondition(f"{version.name} is not validated. Validate it first.")
    if version.withdrawn_at is not None:
        raise FailedPrecondition(f"{version.name} was withdrawn for good. Base a new version on it.")


def shown_to_all(version: ShapeVersion, other: ShapeVersion, *, public: bool) -> bool:
    """Whether all who see the version, as everybody (`public`) or as members, may see the other one."""
    return other.is_public or (not public and other.shape.account_id == version.shape.account_id)


def _leads_everybody_on(version: ShapeVersion) -> bool:
    """Whether everybody may see the version's successor."""
    named = version.successor_version or (latest_of(version.successor) if version.successor else None)
    return named is not None and shown_to_all(version, named, public=True)
