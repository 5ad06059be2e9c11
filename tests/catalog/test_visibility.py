"""Who sees which shape, on the catalog page and on its own page."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.roles import Role
from catalog.states import VersionState
from tests.catalog.test_browse import counts_in, shapes_in
from tests.makers import make_account, make_member, make_model, make_shape, make_user, make_version, sign_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("public_catalog")]


@pytest.fixture(autouse=True)
def shapes() -> None:
    team, shared = make_account(account_id="team-a"), make_account(account_id="fireworks")
    own, common = make_model(account=team, family="Own"), make_model(account=shared)
    make_version(shape=make_shape(base_model=common, shape_id="shared"))
    make_version(shape=make_shape(base_model=own, shape_id="team-public"))
    make_version(shape=make_shape(base_model=own, shape_id="team-private"), public=False)
    make_version(shape=make_shape(base_model=own, shape_id="team-draft"), state=VersionState.DRAFT)


def seen(client: Client) -> set[str]:
    return set(shapes_in(client.get("/").content.decode()))


def test_a_stranger_sees_what_is_public_and_validated(client: Client) -> None:
    assert seen(client) == {"shared", "team-public"}
    assert seen(sign_in(client, make_user())) == {"shared", "team-public"}


@pytest.mark.parametrize("role", list(Role))
def test_every_member_sees_the_versions_of_their_account(client: Client, role: Role) -> None:
    sign_in(client, make_member(account=make_account(account_id="team-a"), role=role))
    assert seen(client) == {"shared", "team-public", "team-private"}


def test_counts_tell_nothing_of_what_is_hidden(client: Client) -> None:
    assert counts_in(client.get("/").content.decode())["family=Own"] == 1
    sign_in(client, make_member(account=make_account(account_id="team-a")))
    assert counts_in(client.get("/").content.decode())["family=Own"] == 2


@pytest.mark.parametrize(("shape", "stranger", "member"), [("team-public", 200, 200), ("team-private", 404, 200)])
def test_the_page_of_a_shape_follows_the_same_rule(client: Client, shape: str, stranger: int, member: int) -> None:
    address = f"/shapes/team-a/{shape}"
    assert client.get(address).status_code == stranger
    assert sign_in(client, make_user()).get(address).status_code == stranger
    sign_in(client, make_member(account=make_account(account_id="team-a"), role=Role.VIEWER))
    assert client.get(address).status_code == member


def test_a_stranger_cannot_tell_a_hidden_shape_from_none(client: Client) -> None:
    hidden, none = client.get("/shapes/team-a/team-private"), client.get("/shapes/team-a/there-is-none")
    assert (hidden.status_code, none.status_code) == (404, 404)


def test_a_draft_version_is_for_members_only(client: Client) -> None:
    shape = make_shape(base_model=make_model(account=make_account(account_id="team-a")), shape_id="two")
    make_version(shape=shape)
    draft = make_version(shape=shape, state=VersionState.DRAFT)
    address = f"/shapes/team-a/two?version={draft.version_id}"
    assert client.get(address).status_code == 404
    assert draft.version_id not in client.get("/shapes/team-a/two").content.decode()
    sign_in(client, make_member(account=make_account(account_id="team-a")))
    assert client.get(address).status_code == 200


@pytest.mark.parametrize("address", ["/", "/?family=Qwen", "/shapes/fireworks/shared"])
def test_where_the_catalog_is_not_public_one_signs_in(client: Client, settings, address: str) -> None:  # type: ignore[no-untyped-def]
    settings.SLIPWAY_PUBLIC_CATALOG = False
    response = client.get(address)
    assert response.status_code == 302
    assert response["Location"].startswith("/sign-in?next=")
    fragment = client.get(address, headers={"HX-Request": "true"})
    assert fragment["HX-Redirect"].startswith("/sign-in?next=")
    assert sign_in(client, make_user()).get(address).status_code == 200
