"""Every URL, seen by everybody who might ask: the whole of who may do what, in one table.

A new URL fails `test_every_url_is_in_the_table` until it has a row in TABLE. A row is the URL's name with its cases:
method, path, posted fields, and the status for each person. `world` is what there is: see `World`. The catalog is
closed here (SLIPWAY_PUBLIC_CATALOG off), as in a real deployment; everything private belongs to account team-a.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.actors import SYSTEM
from accounts.domain.create_invitation import create_invitation
from accounts.models import User
from accounts.roles import Role
from catalog.models import ShapeVersion
from launches.models import Launch
from tests.launches.makers import make_launch
from tests.makers import make_account, make_member, make_model, make_shape, make_user, make_version

ANONYMOUS, STRANGER, OTHER = "anonymous", "stranger", "publisher of another account"
PEOPLE = (ANONYMOUS, STRANGER, OTHER, *(role.value for role in Role))
OK, SEE_OTHER, FOUND, FORBIDDEN, MISSING, UNPROCESSABLE = 200, 303, 302, 403, 404, 422


@dataclass(frozen=True)
class World:
    """Account team-a with a member of each role, a private shape, and a launch of its launcher; and people outside."""

    people: dict[str, User | None]
    private: ShapeVersion
    public: ShapeVersion
    launch: Launch
    token: str

    def shape(self, version: ShapeVersion) -> str:
        """The path of the version's shape."""
        return f"/shapes/{version.shape.account.account_id}/{version.shape.shape_id}"


@pytest.fixture
def world(settings: Settings) -> World:
    settings.SLIPWAY_PUBLIC_CATALOG = False
    team = make_account(account_id="team-a")
    people: dict[str, User | None] = {role.value: make_member(account=team, role=role) for role in Role}
    people |= {ANONYMOUS: None, STRANGER: make_user(), OTHER: make_member(role=Role.PUBLISHER)}
    model = make_model(account=make_account(account_id="local"), model_id="tiny-qwen3")  # the local provider runs it
    private = make_version(shape=make_shape(base_model=model, account=team), gpus=0, context=2048, public=False)
    _, token = create_invitation(actor=SYSTEM, account=team, role=Role.VIEWER, now=timezone.now())
    return World(
        people=people,
        private=private,
        public=make_version(),
        launch=make_launch(owner=people[Role.LAUNCHER], account=team, version=private),
        token=token,
    )


def everybody(status: int) -> dict[str, int]:
    """The same answer to all."""
    return dict.fromkeys(PEOPLE, status)


def signed_in(status: int) -> dict[str, int]:
    """Sign-in first; then the same answer to all."""
    return everybody(status) | {ANONYMOUS: FOUND}


def members(status: int) -> dict[str, int]:
    """Sign-in first; for those who are not members of team-a it is not there."""
    return signed_in(status) | {STRANGER: MISSING, OTHER: MISSING}


def at_least(role: Role, status: int) -> dict[str, int]:
    """As for members, but lesser roles may not."""
    roles = list(Role)
    return members(status) | {lesser.value: FORBIDDEN for lesser in roles[: roles.index(role)]}


@dataclass(frozen=True)
class Case:
    """One request to a URL, and the status that each person gets."""

    path: Callable[[World], str]
    expected: dict[str, int]
    method: str = "get"
    fields: dict[str, str] = field(default_factory=dict)


def get(path: Callable[[World], str] | str, expected: dict[str, int]) -> Case:
    """A GET."""
    return Case((lambda _: path) if isinstance(path, str) else path, expected)


def post(path: Callable[[World], str] | str, expected: dict[str, int], **fields: str) -> Case:
    """A POST of these fields."""
    return Case((lambda _: path) if isinstance(path, str) else path, expected, "post", fields)


def of_private_shape(end: str) -> Callable[[World], str]:
    """A path below the private shape's page."""
    return lambda world: world.shape(world.private) + end


def of_public_shape(end: str) -> Callable[[World], str]:
    """A path below the public shape's page."""
    return lambda world: world.shape(world.public) + end


def of_launch(end: str) -> Callable[[World], str]:
    """A path below the launch's page."""
    return lambda world: f"/launches/{world.launch.uid}{end}"


TABLE: dict[str, list[Case]] = {
    "healthz": [get("/healthz", everybody(OK))],
    "readyz": [get("/readyz", everybody(503))],  # no worker runs here
    "set_theme": [post("/theme", everybody(FOUND), theme="dark")],
    "account_login": [get("/sign-in", everybody(FOUND) | {ANONYMOUS: OK})],
    "account_logout": [get("/sign-out", signed_in(OK)), post("/sign-out", everybody(FOUND))],
    "account_change_password": [get("/password", signed_in(OK)), post("/password", signed_in(OK))],
    "account_inactive": [get("/inactive", everybody(OK))],
    "invitation": [
        get(lambda world: f"/invitations/{world.token}", everybody(OK)),
        post(lambda world: f"/invitations/{world.token}", everybody(FOUND) | {ANONYMOUS: UNPROCESSABLE}),
        get("/invitations/made-up", everybody(MISSING)),
    ],
    "switch_account": [post("/account", members(FOUND), account="team-a")],
    "catalog": [get("/", signed_in(OK))],
    "shape": [get(of_private_shape(""), members(OK)), get(of_public_shape(""), signed_in(OK))],
    "launch_new": [
        get(of_private_shape("/launch"), members(OK)),
        get(of_public_shape("/launch"), signed_in(OK)),
        post(of_private_shape("/launch"), at_least(Role.LAUNCHER, SEE_OTHER), idempotency_key="a-key-of-this-test"),
    ],
    "launch_preview": [get(of_private_shape("/launch/preview"), members(OK))],
    "shape_launches": [
        get(of_private_shape("/launches"), members(OK)),
        get(of_public_shape("/launches"), signed_in(OK)),
    ],
    "launches": [get("/launches", signed_in(OK))],
    "launch": [get(of_launch(""), members(OK))],
    "launch_panel": [get(of_launch("/panel"), members(OK))],
    "launch_metrics": [get(of_launch("/metrics"), members(OK))],
    "launch_cancel": [post(of_launch("/cancel"), at_least(Role.LAUNCHER, FOUND))],
    "launch_resume": [post(of_launch("/resume"), at_least(Role.LAUNCHER, UNPROCESSABLE))],
    "launch_delete": [post(of_launch("/delete"), at_least(Role.LAUNCHER, FOUND))],
    "launch_clone": [get(of_launch("/clone"), members(FOUND))],
}
CASES = [
    pytest.param(name, case, id=f"{name}-{case.method}-{number}")
    for name, cases in TABLE.items()
    for number, case in enumerate(cases)
]
ADMIN_NAMESPACE = "admin"  # superusers only; tests/accounts/test_admin.py


def url_names(resolver: URLResolver) -> Iterator[str]:
    """The names of all URLs but those of Django's admin; a URL without a name comes as its pattern."""
    for entry in resolver.url_patterns:
        if isinstance(entry, URLPattern):
            yield entry.name or str(entry.pattern)
        elif entry.namespace != ADMIN_NAMESPACE:
            yield from url_names(entry)


def test_every_url_is_in_the_table() -> None:
    there = set(url_names(get_resolver()))
    assert there - set(TABLE) == set(), "add these URLs to TABLE"
    assert set(TABLE) - there == set(), "these URLs are gone"


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "case"), CASES)
def test_the_answer_to_each_person(name: str, case: Case, world: World) -> None:
    path = case.path(world)
    assert get_resolver().resolve(path).url_name == name
    assert {person: status(case, path, user) for person, user in world.people.items()} == case.expected


def status(case: Case, path: str, user: User | None) -> int:
    """What the person is answered; what the request did is undone, so that all find the same world."""
    client = Client(raise_request_exception=False)
    with transaction.atomic():
        if user is not None:
            client.force_login(user)
        answer = getattr(client, case.method)(path, case.fields)
        transaction.set_rollback(True)
    return int(answer.status_code)


@pytest.mark.django_db
def test_a_launcher_controls_their_own_launches_only(world: World) -> None:
    colleague = make_member(account=world.launch.account, role=Role.LAUNCHER)
    for end in ("/cancel", "/resume", "/delete"):
        assert status(post(of_launch(end), {}), of_launch(end)(world), colleague) == FORBIDDEN


@pytest.mark.django_db
def test_a_public_catalog_is_readable_by_everybody_and_nothing_else_is(world: World, settings: Settings) -> None:
    settings.SLIPWAY_PUBLIC_CATALOG = True
    seen = {
        path: status(get(path, {}), path, None)
        for path in (
            "/",
            world.shape(world.public),
            world.shape(world.private),
            f"{world.shape(world.public)}/launch",
            "/launches",
        )
    }
    assert list(seen.values()) == [OK, OK, MISSING, FOUND, FOUND]
