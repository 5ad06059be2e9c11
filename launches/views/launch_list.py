"""Lists of launches: the account's, and those made from one shape."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import User
from accounts.requests import SlipwayRequest
from accounts.roles import Role
from catalog.models import TrainingShape
from catalog.queries import find_newest
from catalog.views.access import member_of
from launches.pages.stepper import LABELS
from launches.queries import LaunchFilters, LaunchRow, find_shape, launched_shapes, list_launches
from launches.states import ACTIVE, FINAL, AttemptState
from launches.unknown_trainers import count_unknown_trainers
from lists.pages import Page, show

STATES: dict[str, tuple[str, frozenset[AttemptState]]] = {
    "": ("Any state", frozenset()),
    "active": ("Active", ACTIVE),
    "over": ("Over", FINAL),
    **{state.value: (LABELS[state], frozenset({state})) for state in AttemptState},
}
FRAGMENT_ROWS = 8


@require_safe
@login_required
@never_cache
def launches(request: SlipwayRequest) -> HttpResponse:
    """The active account's launches, filtered by `state`, `shape` and `owner`; `before` is the cursor of a page."""
    account = request.standing.account
    accounts = [account.pk] if account else []
    shape_name = request.GET.get("shape", "")
    shape = find_shape(shape_name) if shape_name else None
    chosen = request.GET.get("state", "")
    states = STATES.get(chosen)
    mine = request.GET.get("owner") == "me"

    def read(before: str) -> Page[LaunchRow]:
        if states is None or (shape_name and shape is None):
            return Page((), "")
        return list_launches(accounts, LaunchFilters(states[1], shape, request.user.pk if mine else None), before)

    page = show(request.GET.get("before", ""), read)
    context = {
        "section": "launches",
        "unknown": _unknown(request),
        "account": account,
        "page": page,
        "state_options": [(key, label) for key, (label, _) in STATES.items()],
        "shapes": _shape_options(launched_shapes(accounts), shape_name),
        "chosen_state": chosen,
        "chosen_shape": shape_name,
        "mine": mine,
        "filtered": _in_force(chosen, shape_name, mine),
        "mine_url": _url(request.GET, owner="me"),
        "anyone_url": _url(request.GET, owner=""),
        **page.links(lambda cursor: _url(request.GET, before=cursor)),
    }
    return render(request, "launches/rows.html" if request.htmx else "launches/list.html", context)


@require_safe
@login_required
@never_cache
def shape_launches(request: SlipwayRequest, account_id: str, shape_id: str) -> HttpResponse:
    """Launches made from the shape that the reader may see: a few for the shape's page, or a page of their own."""
    accounts = member_of(request)
    version = find_newest(accounts, account_id, shape_id)
    if version is None:
        raise Http404("There is no such shape.")
    size = {"size": FRAGMENT_ROWS} if request.htmx else {}
    filters = LaunchFilters(shape=version.shape)
    page = show(request.GET.get("before", ""), lambda cursor: list_launches(accounts, filters, cursor, **size))
    context = {
        "section": "catalog",
        "shape": version.shape,
        "launchable": version.is_latest_validated,
        "page": page,
        **page.links(lambda cursor: _url(request.GET, before=cursor)),
    }
    return render(request, "launches/of_shape_rows.html" if request.htmx else "launches/of_shape.html", context)


def _unknown(request: SlipwayRequest) -> int:
    """How many trainers run that nothing here knows of, for those who may end them."""
    user = request.user
    if not isinstance(user, User) or not (user.is_superuser or request.standing.role == Role.ADMIN) or request.htmx:
        return 0
    return count_unknown_trainers(user)


def _shape_options(shapes: Any, chosen: str) -> list[str]:
    """Names for the shape filter; one that is in force is there even where nothing was launched from it."""
    named = [_named(shape) for shape in shapes]
    return named if not chosen or chosen in named else [*named, chosen]


def _named(shape: TrainingShape) -> str:
    return f"{shape.account.account_id}/{shape.shape_id}"


def _in_force(state: str, shape: str, mine: bool) -> list[str]:
    """The filters in words, for the empty list to say what to loosen."""
    words = [f"state {STATES[state][0] if state in STATES else state}"] if state else []
    return [*words, *([f"shape {shape}"] if shape else []), *(["owner me"] if mine else [])]


def _url(query: QueryDict, **changes: str) -> str:
    """This page with other parameters; a change of a filter starts at the first page."""
    kept = {name: query.get(name, "") for name in ("state", "shape", "owner")} | changes
    return "?" + urlencode({name: value for name, value in kept.items() if value}, safe="/")
