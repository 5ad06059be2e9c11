"""A page that is not there (any more) is the first one, with a word about it: every list with pages, in one table."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import reverse

import accounts.audit_filters
import accounts.list_filters
import catalog.shape_queries
import catalog.version_queries
import launches.queries
import publishing.queries
from accounts.roles import Role
from lists.orders import Order
from tests.makers import sign_in
from tests.roles import World, make_world

pytestmark = pytest.mark.django_db
NOTICE = "The list begins here"
LAUNCH = r'href="/launches/[0-9a-f-]{36}"'


def _shape(world: World) -> list[str]:
    return ["team-a", world.private.shape.shape_id]


FOREIGN = Order(("name", "-pk")).cursor(["a", 1])
"""Of a list that nobody has."""
EARLY = "0001-01-01T00:00:00+00:00"


def _behind_all(order: Order, *place: object) -> str:
    """A cursor that is ours, with nothing behind it."""
    return order.cursor(place)


# What is listed: the address of its first page, the parameter with the cursor, what a row looks like, and the cursor
# behind all.
LISTS: dict[str, tuple[Callable[[World], str], str, str, str]] = {
    "catalog": (
        lambda w: "/?sort=context",
        "after",
        r'shape-link" href=',
        _behind_all(catalog.shape_queries.ORDERS["context"], 2**31 - 1, 1),
    ),
    "catalog, by model": (
        lambda w: "/",
        "after",
        r'shape-link" href=',
        _behind_all(catalog.shape_queries.BY_MODEL, 2**31 - 1, 1),
    ),
    "launches": (
        lambda w: reverse("launches"),
        "before",
        LAUNCH,
        _behind_all(launches.queries.NEWEST_FIRST, EARLY, 0),
    ),
    "launches, filtered": (
        lambda w: reverse("launches") + "?state=FAILED",
        "before",
        LAUNCH,
        _behind_all(launches.queries.NEWEST_FIRST, EARLY, 0),
    ),
    "launches of a shape": (
        lambda w: reverse("shape_launches", args=_shape(w)),
        "before",
        LAUNCH,
        _behind_all(launches.queries.NEWEST_FIRST, EARLY, 0),
    ),
    "events of a launch": (
        lambda w: reverse("launch", args=[w.failed.uid]),
        "before",
        r'id="event-\d',
        _behind_all(launches.queries.NEWEST_EVENTS, 1),
    ),
    "members": (
        lambda w: reverse("members"),
        "before",
        r'aria-label="Role of ',
        _behind_all(accounts.list_filters.MEMBERS.sorts[0].order, "zzz", 1),
    ),
    "keys": (
        lambda w: reverse("keys"),
        "before",
        r'aria-label="Revoke ',
        _behind_all(accounts.list_filters.KEYS.sorts[0].order, 0),
    ),
    "audit": (
        lambda w: reverse("audit"),
        "before",
        r'id="entry-\d',
        _behind_all(accounts.audit_filters.NEWEST_FIRST, EARLY, 0),
    ),
    "versions in work": (
        lambda w: reverse("publish"),
        "before",
        r'class="link id"',
        _behind_all(publishing.queries.NEWEST_FIRST, EARLY, 0),
    ),
    "versions that wait": (
        lambda w: reverse("publish") + "?show=awaiting",
        "before",
        r'class="link id"',
        _behind_all(publishing.queries.NEWEST_FIRST, EARLY, 0),
    ),
    "shapes": (
        lambda w: reverse("publish") + "?show=shapes",
        "after",
        r'class="link id"',
        _behind_all(publishing.queries.BY_ID, "z" * 63),
    ),
    "versions of a shape": (
        lambda w: reverse("publish_shape", args=_shape(w)),
        "before",
        r"data-version=",
        _behind_all(publishing.queries.NEWEST_FIRST, EARLY, 0),
    ),
    "versions to compare with": (
        lambda w: reverse("compare_versions", args=_shape(w)),
        "before",
        r"<option",
        _behind_all(catalog.version_queries.NEWEST_FIRST, EARLY, 0),
    ),
}


def test_a_page_that_is_not_there_is_the_first_one_and_says_so() -> None:
    world = make_world()
    admin = world.people[Role.ADMIN]
    assert admin
    browser = sign_in(Client(), admin)
    for name, (address, parameter, row, behind_all) in LISTS.items():
        here = address(world)
        first = browser.get(here).content.decode()
        rows = re.findall(row, first)
        assert rows and NOTICE not in first, name
        for cursor in ("~", "\0", "9" * 70, FOREIGN, behind_all):
            answer = browser.get(f"{here}{'&' if '?' in here else '?'}{urlencode({parameter: cursor})}")
            html = answer.content.decode()
            assert (answer.status_code, re.findall(row, html), html.count(NOTICE)) == (200, rows, 1), (name, cursor)
            assert "First page" not in html and "Newest events" not in html and "from the newest" not in html, name
