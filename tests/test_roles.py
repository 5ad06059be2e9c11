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
from accounts.domain.create_api_key import create_api_key
from accounts.domain.create_invitation import create_invitation
from accounts.models import ApiKey, Invitation, Membership, User
from accounts.roles import Role
from accounts.scopes import Scope
from catalog.models import ShapeVersion
from catalog.states import VersionState
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
    draft: ShapeVersion
    public: ShapeVersion
    launch: Launch
    token: str
    invitation: Invitation
    key: ApiKey
    viewer: Membership

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
    invitation, token = create_invitation(actor=SYSTEM, account=team, role=Role.VIEWER, now=timezone.now())
    launcher, viewer = people[Role.LAUNCHER], people[Role.VIEWER]
    assert launcher is not None
    key, _ = create_api_key(
        actor=SYSTEM, account=team, user=launcher, name="ci", scope=Scope.READ, now=timezone.now(), days=None
    )
    return World(
        people=people,
        private=private,
        draft=make_version(shape=private.shape, state=VersionState.DRAFT, gpus=0, context=2048),
        public=make_version(),
        launch=make_launch(owner=people[Role.LAUNCHER], account=team, version=private),
        token=token,
        invitation=invitation,
        key=key,
        viewer=Membership.objects.get(user=viewer),
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


def of_private_version(end: str) -> Callable[[World], str]:
    """A path below the private shape's version."""
    return lambda world: f"{world.shape(world.private)}/versions/{world.private.version_id}{end}"


def of_public_version(end: str) -> Callable[[World], str]:
    """A path below the public shape's version."""
    return lambda world: f"{world.shape(world.public)}/versions/{world.public.version_id}{end}"


def of_publishing(end: str) -> Callable[[World], str]:
    """A path below the private shape's page among the publishing pages."""
    return lambda world: f"/publish/team-a/{world.private.shape.shape_id}{end}"


def of_draft(end: str) -> Callable[[World], str]:
    """A path below the page of the private shape's draft."""
    return lambda world: of_publishing(f"/versions/{world.draft.version_id}{end}")(world)


def of_launch(end: str) -> Callable[[World], str]:
    """A path below the launch's page."""
    return lambda world: f"/launches/{world.launch.uid}{end}"


def of_member(end: str) -> Callable[[World], str]:
    """A path below the members page, of team-a's viewer."""
    return lambda world: f"/members/{world.viewer.pk}{end}"


def of_invitation(end: str) -> Callable[[World], str]:
    """A path below the members page, of the open invitation."""
    return lambda world: f"/members/invitations/{world.invitation.pk}{end}"


def of_key(end: str) -> Callable[[World], str]:
    """A path below the page of API keys, of the launcher's key."""
    return lambda world: f"/keys/{world.key.pk}{end}"


IN_ONES_OWN = {STRANGER: MISSING}
"""Pages of the active account: the stranger has none, and the other publisher's is not team-a."""
OWNER_AND_ADMIN = {Role.VIEWER: MISSING, Role.PUBLISHER: MISSING}
TABLE: dict[str, list[Case]] = {
    "healthz": [get("/healthz", everybody(OK))],
    "readyz": [get("/readyz", everybody(503))],  # no worker runs here
    "openapi": [get("/api/openapi.json", everybody(OK))],
    "docs": [get("/api/docs", everybody(OK))],
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
    "members": [
        get("/members", signed_in(OK)),
        post("/members", at_least(Role.ADMIN, OK) | {OTHER: FORBIDDEN}, role="viewer"),
        post("/members", at_least(Role.ADMIN, UNPROCESSABLE) | {OTHER: FORBIDDEN}, role="captain"),
    ],
    "member_role": [post(of_member("/role"), at_least(Role.ADMIN, FOUND), role="launcher")],
    "member_remove": [
        get(of_member("/remove"), at_least(Role.ADMIN, OK)),
        post(of_member("/remove"), at_least(Role.ADMIN, FOUND)),
    ],
    "invitation_revoke": [
        get(of_invitation("/revoke"), at_least(Role.ADMIN, OK)),
        post(of_invitation("/revoke"), at_least(Role.ADMIN, FOUND)),
    ],
    "connect": [get("/connect", signed_in(OK))],
    "keys": [
        get("/keys", signed_in(OK)),
        post("/keys", signed_in(OK) | IN_ONES_OWN, name="of this test", scope="read", days="30"),
        post(
            "/keys",
            signed_in(OK) | IN_ONES_OWN | {Role.VIEWER: UNPROCESSABLE},
            name="of this test",
            scope="launch",
            days="30",
        ),
        post(
            "/keys",
            signed_in(OK) | IN_ONES_OWN | {Role.VIEWER: UNPROCESSABLE, Role.LAUNCHER: UNPROCESSABLE},
            name="of this test",
            scope="publish",
            days="never",
        ),
    ],
    "key_revoke": [
        get(of_key("/revoke"), members(OK) | OWNER_AND_ADMIN),
        post(of_key("/revoke"), members(FOUND) | OWNER_AND_ADMIN),
    ],
    "audit": [get("/audit", at_least(Role.PUBLISHER, OK) | {STRANGER: OK, OTHER: OK})],
    "audit_csv": [get("/audit.csv", at_least(Role.PUBLISHER, OK) | {OTHER: OK})],
    "catalog": [get("/", signed_in(OK))],
    "shape": [get(of_private_shape(""), members(OK)), get(of_public_shape(""), signed_in(OK))],
    "compare_versions": [
        get(of_private_shape("/compare"), members(OK)),
        get(of_public_shape("/compare"), signed_in(OK)),
    ],
    "compare": [get("/compare", signed_in(OK)), get("/compare?shape=team-a/secret", signed_in(OK))],
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
    "validation": [
        get(of_private_version("/validation"), members(OK)),
        get(of_public_version("/validation"), signed_in(MISSING)),
    ],
    "validation_start": [post(of_private_version("/validation/start"), at_least(Role.PUBLISHER, SEE_OTHER))],
    "validation_stop": [
        post(of_private_version("/validation/stop"), at_least(Role.PUBLISHER, MISSING))
    ],  # none to stop
    "validation_by_hand": [
        post(
            of_private_version("/validation/by-hand"),
            at_least(Role.PUBLISHER, UNPROCESSABLE),  # this machine can run it
            reason="It has run elsewhere for months.",
        )
    ],
    "passport": [
        get(of_private_version("/passport"), members(OK)),
        get(of_public_version("/passport"), signed_in(OK)),
    ],
    "publish": [
        get("/publish", at_least(Role.PUBLISHER, OK) | {STRANGER: FORBIDDEN, OTHER: OK})
    ],  # of one's own account
    "publish_new": [
        get("/publish/new", at_least(Role.PUBLISHER, OK) | {STRANGER: FORBIDDEN, OTHER: OK}),
        post(
            "/publish/new?model=accounts/local/models/tiny-qwen3",
            at_least(Role.PUBLISHER, UNPROCESSABLE) | {STRANGER: FORBIDDEN, OTHER: MISSING},
        ),
    ],
    "catalog_import": [
        get("/publish/import", at_least(Role.PUBLISHER, OK) | {STRANGER: FORBIDDEN, OTHER: OK}),
        post("/publish/import", at_least(Role.PUBLISHER, UNPROCESSABLE) | {STRANGER: FORBIDDEN, OTHER: UNPROCESSABLE}),
        get("/publish/import?upload=1", at_least(Role.PUBLISHER, MISSING) | {STRANGER: FORBIDDEN, OTHER: MISSING}),
    ],
    "catalog_export": [get("/publish/export", at_least(Role.PUBLISHER, OK) | {STRANGER: FORBIDDEN, OTHER: OK})],
    "publish_shape": [get(of_publishing(""), at_least(Role.PUBLISHER, OK))],
    "draft_new": [
        get(of_publishing("/new"), at_least(Role.PUBLISHER, OK)),
        post(of_publishing("/new"), at_least(Role.PUBLISHER, UNPROCESSABLE)),
    ],
    "shape_delete": [
        get(of_publishing("/delete"), at_least(Role.PUBLISHER, OK)),
        post(of_publishing("/delete"), at_least(Role.PUBLISHER, UNPROCESSABLE)),  # a launch was made from it
    ],
    "draft_edit": [
        get(of_draft("/edit"), at_least(Role.PUBLISHER, OK)),
        post(of_draft("/edit"), at_least(Role.PUBLISHER, UNPROCESSABLE)),
    ],
    "shape_clone": [
        get(of_draft("/clone"), at_least(Role.PUBLISHER, OK)),
        post(of_draft("/clone"), at_least(Role.PUBLISHER, SEE_OTHER), shape_id="copied"),
    ],
    "publish_verb": [
        get(of_draft("/delete"), at_least(Role.PUBLISHER, OK)),
        post(of_draft("/delete"), at_least(Role.PUBLISHER, SEE_OTHER)),
        get(of_draft("/publish"), at_least(Role.PUBLISHER, FOUND)),
        post(of_draft("/publish"), at_least(Role.PUBLISHER, UNPROCESSABLE), public="no"),
        get(of_draft("/nonsense"), members(MISSING)),
    ],
}
CASES = [
    pytest.param(name, case, id=f"{name}-{case.method}-{number}")
    for name, cases in TABLE.items()
    for number, case in enumerate(cases)
]
API_PREFIX = "api_"  # called with keys; tests/api/test_roles.py
ADMIN_NAMESPACE = "admin"  # superusers only; tests/accounts/test_admin.py


def url_names(resolver: URLResolver) -> Iterator[str]:
    """The names of all URLs but those of Django's admin; a URL without a name comes as its pattern."""
    for entry in resolver.url_patterns:
        if isinstance(entry, URLPattern):
            name = entry.name or str(entry.pattern)
            if not name.startswith(API_PREFIX):
                yield name
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
    assert get_resolver().resolve(path.partition("?")[0]).url_name == name
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
