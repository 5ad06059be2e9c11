"""Who may read the catalog at all."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url

from accounts.requests import SlipwayRequest

Rest = ParamSpec("Rest")
View = Callable[Concatenate[SlipwayRequest, Rest], HttpResponse]


def catalog_reader(view: View[Rest]) -> Callable[Concatenate[HttpRequest, Rest], HttpResponse]:
    """Let everybody in where SLIPWAY_PUBLIC_CATALOG is on, else only who has signed in."""

    @functools.wraps(view)
    def guarded(request: SlipwayRequest, *args: Rest.args, **kwargs: Rest.kwargs) -> HttpResponse:
        if settings.SLIPWAY_PUBLIC_CATALOG or request.user.is_authenticated:
            return view(request, *args, **kwargs)
        return redirect_to_login(request.get_full_path(), resolve_url(settings.LOGIN_URL))

    return guarded  # type: ignore[return-value]


def member_of(request: SlipwayRequest) -> list[int]:
    """Primary keys of the accounts that the reader is a member of."""
    return (
        [membership.account_id for membership in request.standing.memberships] if request.user.is_authenticated else []
    )
