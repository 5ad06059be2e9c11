"""A page that is not there (any more) is the first one, with a word about it: every list with pages, in one table."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, Membership
from accounts.roles import Role
from catalog.models import ShapeVersion
from tests.makers import sign_in
from tests.roles import World, make_world

pytestmark = pytest.mark.django_db
NOTICE = "The list begins here"
LAUNCH = r'href="/launches/[0-9a-f-]{36}"'


def _shape(world: World) -> list[str]:
    return ["team-a", world.private.shape.shape_id]


def _oldest(**asked: object) -> Callable[[World], str]:
    def cursor(world: World) -> str:
        found = ShapeVersion.objects.filter(shape__account__account_id="team-a", **asked)
        return str(found.order_by("created_at", "pk").values_list("pk", flat=True)[0])

    return cursor


def _first_entry(world: World) -> str:
    found = AuditEntry.objects.filter(account__account_id="team-a")
    return str(found.order_by("created_at", "pk").values_list("pk", flat=True)[0])


def _last_member(world: World) -> str:
    return str(Membership.objects.filter(account__account_id="team-a").order_by("user__username").last().pk)  # type: ignore[union-attr]


# What is listed: the address of its first page, the parameter with the cursor, what a row looks like, and a cursor that
# is well formed and has nothing behind it.
LISTS: dict[str, tuple[Callable[[World], str], str, str, Callable[[World], str]]] = {
    "catalog": (lambda w: "/?sort=context", "after", r'shape-link" href=', lambda w: "99999999~1"),
    "launches": (
        lambda w: reverse("launches"),
        "before",
        LAUNCH,
        lambda w: str(w.failed.uid),
    ),
    "launches, filtered": (
        lambda w: reverse("launches") + "?state=FAILED",
        "before",
        LAUNCH,
        lambda w: "00000000-0000-4000-8000-000000000000",
    ),
    "launches of a shape": (
        lambda w: reverse("shape_launches", args=_shape(w)),
        "before",
        LAUNCH,
        lambda w: str(w.failed.uid),
    ),
    "events of a launch": (lambda w: reverse("launch", args=[w.failed.uid]), "before", r'id="event-\d', lambda w: "1"),
    "members": (lambda w: reverse("members"), "after", r'aria-label="Role of ', _last_member),
    "keys": (lambda w: reverse("keys"), "before", r'aria-label="Revoke ', lambda w: str(w.key.pk)),
    "audit": (lambda w: reverse("audit"), "before", r'id="entry-\d', _first_entry),
    "versions in work": (lambda w: reverse("publish"), "before", r'class="link id"', _oldest(state="DRAFT")),
    "versions that wait": (
        lambda w: reverse("publish") + "?show=awaiting",
        "before",
        r'class="link id"',
        _oldest(),
    ),
    "shapes": (lambda w: reverse("publish") + "?show=shapes", "after", r'class="link id"', lambda w: "z" * 63),
    "versions of a shape": (
        lambda w: reverse("publish_shape", args=_shape(w)),
        "before",
        r"data-version=",
        _oldest(),
    ),
    "versions to compare with": (
        lambda w: reverse("compare_versions", args=_shape(w)),
        "before",
        r"<option",
        lambda w: w.private.version_id,
    ),
}


def test_a_page_that_is_not_there_is_the_first_one_and_says_so() -> None:
    world = make_world()
    admin = world.people[Role.ADMIN]
    assert admin
    browser = sign_in(Client(), admin)
    for name, (address, parameter, row, last) in LISTS.items():
        here = address(world)
        first = browser.get(here).content.decode()
        rows = re.findall(row, first)
        assert rows and NOTICE not in first, name
        for cursor in ("~", "\0", "9" * 70, last(world)):
            answer = browser.get(f"{here}{'&' if '?' in here else '?'}{urlencode({parameter: cursor})}")
            html = answer.content.decode()
            assert (answer.status_code, re.findall(row, html), html.count(NOTICE)) == (200, rows, 1), (name, cursor)
            assert "First page" not in html and "Newest events" not in html and "from the newest" not in html, name
