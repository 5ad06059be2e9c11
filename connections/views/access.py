"""Who may look at connections: superusers, and admins of accounts at those that these may use."""

from __future__ import annotations

import functools
from collections.abc import Callable
from http import HTTPStatus
from typing import Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from accounts.actors import require_superuser
from accounts.requests import SlipwayRequest, actor_of
from connections.models import Connection
from connections.queries import find_visible_connection
from wire.errors import NotFound, PermissionDenied

Rest = ParamSpec("Rest")
View = Callable[Concatenate[SlipwayRequest, Rest], HttpResponse]


def connections_page(view: View[Rest]) -> Callable[Concatenate[HttpRequest, Rest], HttpResponse]:
    """Sign-in first; a `PermissionDenied` of the view is a page that says why, a `NotFound` is no page."""

    @never_cache
    @login_required
    @functools.wraps(view)
    def guarded(request: SlipwayRequest, *args: Rest.args, **kwargs: Rest.kwargs) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except PermissionDenied as refusal:
            return render(request, "403.html", {"reason": refusal.message}, status=HTTPStatus.FORBIDDEN)
        except NotFound as refusal:
            raise Http404(refusal.message) from None

    return guarded  # type: ignore[return-value]


def seen_connection(request: SlipwayRequest, name: str) -> Connection:
    """The connection of that name, where the reader sees it. Errors: `NotFound`, `PermissionDenied`."""
    return find_visible_connection(actor_of(request), request.standing.account, name)


def own_connection(request: SlipwayRequest, name: str) -> Connection:
    """The same, for who may change it. Errors: `NotFound`, `PermissionDenied`."""
    connection = seen_connection(request, name)
    require_superuser(actor_of(request))
    return connection
