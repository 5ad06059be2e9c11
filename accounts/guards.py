"""What stands before pages whose verbs say who may do what."""

from __future__ import annotations

import functools
from collections.abc import Callable
from http import HTTPStatus
from typing import Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from accounts.requests import SlipwayRequest
from wire.errors import NotFound, PermissionDenied

Rest = ParamSpec("Rest")
View = Callable[Concatenate[SlipwayRequest, Rest], HttpResponseBase]
Guarded = Callable[Concatenate[HttpRequest, Rest], HttpResponseBase]


def guarded_page(section: str) -> Callable[[View[Rest]], Guarded[Rest]]:
    """Sign-in first; a `PermissionDenied` of the view is a page that says why, a `NotFound` is no page."""

    def decorate(view: View[Rest]) -> Guarded[Rest]:
        @never_cache
        @login_required
        @functools.wraps(view)
        def guarded(request: SlipwayRequest, *args: Rest.args, **kwargs: Rest.kwargs) -> HttpResponseBase:
            try:
                return view(request, *args, **kwargs)
            except PermissionDenied as refusal:
                context = {"section": section, "reason": refusal.message}
                return render(request, "403.html", context, status=HTTPStatus.FORBIDDEN)
            except NotFound as refusal:
                raise Http404(refusal.message) from None

        return guarded  # type: ignore[return-value]

    return decorate
