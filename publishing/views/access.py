"""Who may publish: the account's publishers; other members read why they may not, and for others it is not there."""

from __future__ import annotations

import functools
from collections.abc import Callable
from http import HTTPStatus
from typing import Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from accounts.models import Account
from accounts.requests import NO_ACCOUNT, SlipwayRequest, actor_of
from catalog.models import ShapeVersion, TrainingShape
from catalog.rights import require_publisher
from catalog.views.access import member_of
from publishing.queries import find_shape, own_version
from wire.errors import NotFound, PermissionDenied

Rest = ParamSpec("Rest")
View = Callable[Concatenate[SlipwayRequest, Rest], HttpResponse]


def publishers_page(view: View[Rest]) -> Callable[Concatenate[HttpRequest, Rest], HttpResponse]:
    """Sign-in first; a `PermissionDenied` of the view is a page that says why, a `NotFound` is no page."""

    @never_cache
    @login_required
    @functools.wraps(view)
    def guarded(request: SlipwayRequest, *args: Rest.args, **kwargs: Rest.kwargs) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except PermissionDenied as refusal:
            context = {"section": "publish", "reason": refusal.message}
            return render(request, "403.html", context, status=HTTPStatus.FORBIDDEN)
        except NotFound as refusal:
            raise Http404(refusal.message) from None

    return guarded  # type: ignore[return-value]


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
