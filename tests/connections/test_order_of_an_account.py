"""An account's own order: its admins make it, its launches and forms go by it, and nobody else's do."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from accounts.actors import user_actor
from accounts.models import Account, AuditEntry
from accounts.roles import Role
from connections.domain.follow_common_order import follow_common_order
from connections.domain.order_for_account import order_for_account
from connections.queries import usable_connections
from launches.placement import connections_of
from tests.connections.remote import make_connection
from tests.makers import make_account, make_member, make_user, sign_in
from wire.errors import NotFound, PermissionDenied

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    """One that may use local and, after it, far."""
    account = make_account(account_id="team-a")
    make_connection(account)
    return account


def names(account: Account | None) -> list[str]:
    return [row.name for row in usable_connections(account)]


def test_the_first_move_makes_it_the_accounts_own(account: Account) -> None:
    admin = user_actor(make_member(account=account, role=Role.ADMIN))
    far = next(each for each in usable_connections(account) if each.name == "far")
    before = names(account)
    order_for_account(actor=admin, account=account, connection=far, up=before[0] != "far")
    assert names(account) == before[::-1]
    other = make_account()
    assert names(other) == ["local"] == names(None)
    entry = AuditEntry.objects.get(verb="order_for_account")
    assert (entry.account, entry.target) == (account, "connections/far")
    late = make_connection(account, name="late", position=0)
    assert names(account) == [*before[::-1], "late"]  # before far in the common order, and yet the last here
    order_for_account(actor=admin, account=account, connection=late, up=False)
    assert AuditEntry.objects.filter(verb="order_for_account").count() == 1  # it stood there already
    follow_common_order(actor=admin, account=account)
    assert names(account) == ["local", "late", "far"]
    assert AuditEntry.objects.get(verb="follow_common_order").before == {"order": before[::-1]}


def test_admins_of_the_account_alone_and_of_what_it_may_use(account: Account) -> None:
    far = next(each for each in usable_connections(account) if each.name == "far")
    for role in Role:
        actor = user_actor(make_member(account=account, role=role))
        if role is not Role.ADMIN:
            with pytest.raises(PermissionDenied):
                order_for_account(actor=actor, account=account, connection=far, up=True)
            with pytest.raises(PermissionDenied):
                follow_common_order(actor=actor, account=account)
            continue
        with pytest.raises(NotFound):
            order_for_account(
                actor=actor, account=account, connection=make_connection(make_account(), name="x"), up=True
            )
    with pytest.raises(NotFound):
        order_for_account(actor=user_actor(make_user()), account=account, connection=far, up=True)


def test_the_page_moves_without_scripts_and_launches_go_by_it(client: Client, account: Account) -> None:
    pages = sign_in(client, make_member(account=account, role=Role.ADMIN))

    def shown() -> list[str]:
        return re.findall(r'id="running-([a-z]+)"', pages.get("/connections").content.decode())

    before = shown()
    assert b"the common order, until" in pages.get("/connections").content
    page = pages.post(f"/connections/{before[1]}/move-for-account", {"to": "up", "account": "team-a"}, follow=True)
    assert b"its own order" in page.content
    assert shown() == before[::-1] == [row.name for row in connections_of(account)]
    stale = pages.post(f"/connections/{before[1]}/move-for-account", {"to": "down", "account": "other"}, follow=True)
    assert b"This form was opened for account other" in stale.content and shown() == before[::-1]
    assert pages.post("/connections/made-up/move-for-account", {"to": "up"}).status_code == 404
    pages.post("/connections-common-order", {"account": "team-a"})
    assert shown() == before


def test_a_superuser_orders_for_the_account_that_they_are_an_admin_of(client: Client, account: Account) -> None:
    boss = make_user(superuser=True)
    pages = sign_in(client, boss)
    assert b"?of=account" not in pages.get("/connections").content
    make_member(account=account, user=boss, role=Role.ADMIN)
    page = pages.get("/connections").content.decode()
    assert 'href="/connections?of=account"' in page and 'action="/connections/far/move"' in page
    assert 'action="/connections/far/move-for-account"' in pages.get("/connections?of=account").content.decode()
