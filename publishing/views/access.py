"""Who may publish: the account's publishers; other members read why they may not, and for others it is not there."""

from __future__ import annotations

from accounts.guards import guarded_page
from accounts.models import Account
from accounts.requests import NO_ACCOUNT, SlipwayRequest, actor_of
from catalog.models import ShapeVersion, TrainingShape
from catalog.rights import require_publisher
from catalog.views.access import member_of
from publishing.queries import find_shape, own_version
from wire.errors import NotFound, PermissionDenied

publishers_page = guarded_page("publish")


def publishing_account(request: SlipwayRequest) -> Account:
    """The active account, where the reader publishes for it. Errors: `PermissionDenied`."""
    account = request.standing.account
    if account is None:
        raise PermissionDenied(NO_ACCOUNT)
    require_publisher(actor_of(request), account)
    return account


def published_shape(request: SlipwayRequest, account_id: str, shape_id: str) -> TrainingShape:
    """The shape, where the reader publishes for its account. Errors: `NotFound`, `PermissionDenied`."""
    shape = find_shape(member_of(request), account_id, shape_id)
    if shape is None:
        raise NotFound("There is no such shape.")
    require_publisher(actor_of(request), shape.account)
    return shape


def version_of(shape: TrainingShape, version_id: str) -> ShapeVersion:
    """A version of the shape. Errors: `NotFound`."""
    version = own_version(shape, version_id)
    if version is None:
        raise NotFound("There is no such version.")
    return version
