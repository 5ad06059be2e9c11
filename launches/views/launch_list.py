"""Lists of launches: the account's, and those made from one shape."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import User
from accounts.requests import SlipwayRequest
from accounts.roles import Role
from catalog.version_queries import find_newest
from catalog.views.access import member_of
from launches.filters import DELETED, LAUNCHES
from launches.pages.rows import rows_as_html
from launches.queries import (
    KEPT,
    LIVING,
    NEWEST_FIRST,
    launched_shapes,
    list_launches,
    listed_launches,
    of_versions,
    vanished_shapes,
)
from launches.unknown_trainers import count_missing, count_unknown_trainers
from lists.filters import CURSOR
from lists.orders import PAGE, count_up_to
from lists.pages import show

FRAGMENT_ROWS = 8
COUNTED = 10_000
"""Of more launches than these a list says that they are more."""


@require_safe
@login_required
@never_cache
def launches(request: SlipwayRequest) -> HttpResponse:
    """The active account's launches, as `LAUNCHES` declares; `before` is the cursor of a page."""
    account = request.standing.account
    accounts = [account.pk] if account else []
    asked = LAUNCHES.read(request.GET)
    context: dict[str, Any] = {
        "section": "launches",
        **_unmatched(request),
        "vanished": [] if request.htmx or request.user.pk is None else vanished_shapes(request.user.pk, accounts),
        "account": account,
        "asked": asked,
        "controls": asked.controls(shape=[(name, name) for name in (launched_shapes(account) if account else [])]),
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if asked.problems else HTTPStatus.OK
    if not asked.problems:
        among = KEPT if asked.values.get("state") == DELETED else LIVING
        wanted = asked.condition_among(listed_launches(accounts, Q(), among), request.user)
        read = partial(list_launches, accounts, wanted, asked.order, among=among, size=PAGE)
        page = show(asked.cursor, read)
        total = count_up_to(listed_launches(accounts, wanted, among), COUNTED)
        context |= {
            "rows": rows_as_html(page.rows, with_shape=True),
            "total": f"{total:,}" if total <= COUNTED else f"more than {COUNTED:,}",
            "one": total == 1,
            **page.links(asked.page_address),
        }
    template = "launches/rows.html" if request.htmx else "launches/list.html"
    return render(request, template, context, status=status)


@require_safe
@login_required
@never_cache
def shape_launches(request: SlipwayRequest, account_id: str, shape_id: str) -> HttpResponse:
    """Launches made from the shape that the reader may see: a few for the shape's page, or a page of their own."""
    accounts = member_of(request)
    version = find_newest(accounts, account_id, shape_id)
    if version is None:
        raise Http404("There is no such shape.")
    size = FRAGMENT_ROWS if request.htmx else PAGE
    wanted = of_versions(shape=version.shape)
    asked = request.GET.get(CURSOR, "")
    page = show(asked, lambda cursor: list_launches(accounts, wanted, NEWEST_FIRST, cursor, size=size))
    context = {
        "section": "catalog",
        "shape": version.shape,
        "launchable": version.is_latest_validated,
        "rows": rows_as_html(page.rows, with_shape=False),
        **page.links(lambda cursor: "?" + urlencode({CURSOR: cursor} if cursor else {})),
    }
    return render(request, "launches/of_shape_rows.html" if request.htmx else "launches/of_shape.html", context)


def _unmatched(request: SlipwayRequest) -> dict[str, int]:
    """How much runs that nothing here knows of, and is not found there, for those who may do something about it."""
    user = request.user
    if not isinstance(user, User) or not (user.is_superuser or request.standing.role == Role.ADMIN) or request.htmx:
        return {}
    return {"unknown": count_unknown_trainers(user), "missing": count_missing(user)}
