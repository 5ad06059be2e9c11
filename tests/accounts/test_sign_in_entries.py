"""What signing in, out and with keys leaves in the audit log, and who sees it."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from accounts.domain.authenticate_key import authenticate_key
from accounts.models import Account, ApiKey, AuditEntry
from accounts.origins import Origin
from accounts.roles import Role
from tests.accounts.makers import client_of, make_key
from tests.makers import PASSWORD, make_account, make_member, make_user, sign_in

pytestmark = pytest.mark.django_db
AGENT = "a browser of this test"


def entries(**filters: object) -> list[tuple[str, str, str | None, str]]:
    found = AuditEntry.objects.filter(**filters).order_by("pk")
    return [(entry.verb, entry.actor_label, entry.address, entry.reason) for entry in found]


def test_signing_in_and_out_is_noted_with_address_and_agent(team: Account, client: Client) -> None:
    make_member(account=team, username="anna")
    fields, request = {"login": "anna", "password": PASSWORD}, {"REMOTE_ADDR": "192.0.2.1", "HTTP_USER_AGENT": AGENT}
    for _ in range(2):
        client.post("/sign-in", fields, **request)  # type: ignore[arg-type]
        client.post("/sign-out", **request)  # type: ignore[arg-type]
    new = "from an address where they did not sign in before"
    assert entries(account=team) == [
        ("sign_in", "anna", "192.0.2.1", new),
        ("sign_out", "anna", "192.0.2.1", ""),
        ("sign_in", "anna", "192.0.2.1", ""),
        ("sign_out", "anna", "192.0.2.1", ""),
    ]
    assert set(AuditEntry.objects.values_list("agent", "target")) == {(AGENT, "users/anna")}
    assert all(entry.request_id for entry in AuditEntry.objects.all())


def test_who_is_switched_off_does_not_sign_in(team: Account, client: Client) -> None:
    user = make_member(account=team, username="anna")
    user.is_active = False
    user.save()
    client.post("/sign-in", {"login": "anna", "password": PASSWORD})
    assert entries() == [("fail_to_sign_in", "somebody", "127.0.0.1", "switched off")]


def test_the_admins_own_doors_are_the_same(client: Client) -> None:
    sign_in(client, make_user(username="root", superuser=True))
    assert client.get("/admin/password_change/").headers["Location"] == "/password"
    assert client.post("/admin/logout/").status_code == 302
    assert entries() == [("sign_out", "root", "127.0.0.1", "")]


@pytest.mark.parametrize(
    ("role", "sees_persons", "sees_work"),
    [(Role.ADMIN, True, True), (Role.PUBLISHER, False, True), (Role.LAUNCHER, False, False)],
)
def test_sign_ins_and_addresses_are_for_admins(team: Account, role: Role, sees_persons: bool, sees_work: bool) -> None:
    make_member(account=team, username="anna")
    Client().post("/sign-in", {"login": "anna", "password": PASSWORD}, REMOTE_ADDR="192.0.2.1")
    browser, _ = client_of(team, role)
    AuditEntry.objects.create(account=team, verb="do", actor_label="berta", target="x", address="192.0.2.9", agent="b")
    pages = [browser.get(path) for path in ("/audit", "/audit?verb=sign_in", "/audit?address=192.0.2.1", "/audit.csv")]
    shown = [b"".join(page) if page.streaming else page.content for page in pages if page.status_code == 200]
    text = b"".join(shown).decode()
    assert ("192.0.2.1" in text.replace('placeholder="192.0.2.1"', "").replace("address=192.0.2.1", "")) == sees_persons
    assert ("192.0.2.9" in text, "users/anna" in text) == (sees_persons, sees_persons)
    assert ("berta" in text) == sees_work


def test_another_accounts_admin_sees_nothing_of_it(team: Account) -> None:
    make_member(account=team, username="anna")
    Client().post("/sign-in", {"login": "anna", "password": "wrong"})
    browser, _ = client_of(make_account(account_id="team-b"), Role.ADMIN)
    assert "anna" not in browser.get("/audit").content.decode()


def test_an_address_that_is_none_is_said(team: Account) -> None:
    browser, _ = client_of(team, Role.ADMIN)
    answer = browser.get("/audit?address=home")
    assert answer.status_code == 422
    assert "Address: Write an address as 192.0.2.1 or 2001:db8::1." in answer.content.decode()


def test_a_key_that_is_used_elsewhere_is_noted_once_an_address(team: Account) -> None:
    key, secret = make_key(account=team, name="ci")
    for address in ("192.0.2.1", "192.0.2.1", "198.51.100.7", "192.0.2.1", ""):
        authenticate_key(secret=secret, now=timezone.now(), origin=Origin(address, AGENT), request_id="r1")
    label, why = f"{key.user} (key ci)", "from an address where it was not used before"
    assert entries(verb="use_api_key_elsewhere") == [
        ("use_api_key_elsewhere", label, "192.0.2.1", why),
        ("use_api_key_elsewhere", label, "198.51.100.7", why),
    ]
    assert AuditEntry.objects.latest("pk").target == ApiKey.objects.get().resource_name


def test_the_api_notes_from_where_a_key_is_used(team: Account, client: Client) -> None:
    _, secret = make_key(account=team)
    for _ in range(2):
        assert client.get("/v1/accounts", headers={"X-Api-Key": secret}, REMOTE_ADDR="192.0.2.5").status_code == 200
    assert [entry[2] for entry in entries(verb="use_api_key_elsewhere")] == ["192.0.2.5"]
    assert client.get("/v1/accounts", headers={"X-Api-Key": secret + "x"}).status_code == 401


def test_an_address_may_be_forgotten_and_never_changed(team: Account) -> None:
    entry = AuditEntry.objects.create(
        account=team, verb="do", actor_label="x", target="x", address="192.0.2.1", agent="a"
    )
    found = AuditEntry.objects.filter(pk=entry.pk)
    for wrong in ({"address": "192.0.2.2"}, {"agent": "b"}, {"address": None, "verb": "sign_in"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            found.update(**wrong)
    assert found.update(address=None, agent="") == 1
    with pytest.raises(IntegrityError), transaction.atomic():
        found.update(address="192.0.2.1")
