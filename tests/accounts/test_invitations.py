"""Invitation links: made by `manage add_member`, used once, within a week."""

from __future__ import annotations

import io
import threading
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.actors import SYSTEM
from accounts.domain.accept_invitation import accept_invitation
from accounts.domain.create_invitation import LIFETIME, create_invitation
from accounts.models import Account, AuditEntry, Invitation, Membership, User
from accounts.roles import Role
from tests.makers import PASSWORD, make_account, make_member, make_user, sign_in
from wire.errors import Refusal


def add_member(*arguments: str) -> str:
    output = io.StringIO()
    call_command("add_member", *arguments, stdout=output, stderr=io.StringIO())
    return output.getvalue().strip()


def invite(account: Account, role: Role = Role.LAUNCHER, **fields: str) -> str:
    """The path of a fresh link."""
    _, token = create_invitation(actor=SYSTEM, account=account, role=role, now=timezone.now(), **fields)
    return f"/invitations/{token}"


def chosen(username: str, password: str = PASSWORD, repeated: str | None = None) -> dict[str, str]:
    return {"username": username, "password": password, "repeated": password if repeated is None else repeated}


@pytest.mark.django_db
def test_the_link_makes_a_user_who_is_signed_in_and_works_in_the_account(client: Client, settings: Settings) -> None:
    make_account(account_id="local")
    team = make_account(account_id="team-a")
    settings.SLIPWAY_URL = "https://slipway.example"
    link = add_member("anna", "--account", "team-a", "--role", "launcher", "--email", "anna@example.org")
    assert link.startswith("https://slipway.example/invitations/")
    path = link.removeprefix("https://slipway.example")

    page = client.get(path)
    assert page.status_code == 200 and b'value="anna"' in page.content
    assert "no-store" in page["Cache-Control"]
    assert client.post(path, chosen("anna")).status_code == 302
    user = User.objects.get(username="anna")
    assert user.check_password(PASSWORD) and user.email == "anna@example.org"
    assert Membership.objects.get(user=user, account=team).role == Role.LAUNCHER
    assert client.session["_auth_user_id"] == str(user.pk)
    assert client.session["active_account"] == "team-a"
    assert [entry.verb for entry in AuditEntry.objects.order_by("id")] == [
        "create_invitation",
        "create_user",
        "add_member",
        "accept_invitation",
        "sign_in",
    ]


@pytest.mark.django_db
def test_only_the_hash_of_the_token_is_stored() -> None:
    token = invite(make_account()).removeprefix("/invitations/")
    assert token not in str([*Invitation.objects.values(), *AuditEntry.objects.values()])


@pytest.mark.django_db
def test_whoever_is_signed_in_joins_with_one_click(client: Client) -> None:
    account, user = make_account(), make_user()
    path = invite(account)
    page = sign_in(client, user).get(path)
    assert f"Join as {user}" in page.content.decode() and b'name="password"' not in page.content
    assert client.post(path).status_code == 302
    assert Membership.objects.get(user=user).account == account
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_a_members_role_grows_and_never_shrinks(client: Client) -> None:
    account = make_account()
    member = make_member(account=account, role=Role.PUBLISHER)
    sign_in(client, member)
    client.post(invite(account, Role.VIEWER))
    assert Membership.objects.get().role == Role.PUBLISHER
    client.post(invite(account, Role.ADMIN))
    assert Membership.objects.get().role == Role.ADMIN


@pytest.mark.django_db
def test_used_expired_and_unknown_links_say_so(client: Client) -> None:
    account = make_account()
    used, expired = invite(account), invite(account)
    client.post(used, chosen("first"))
    Invitation.objects.filter(accepted_at=None).update(expires_at=timezone.now())
    client.logout()

    for path, status, words in [
        (used, 410, "has been used"),
        (expired, 410, "has expired"),
        ("/invitations/made-up", 404, "no such invitation"),
    ]:
        for answer in (client.get(path), client.post(path, chosen("second"))):
            assert (answer.status_code, words in answer.content.decode()) == (status, True)
    assert list(User.objects.values_list("username", flat=True)) == ["first"]


def test_a_link_lasts_seven_days() -> None:
    assert timedelta(days=7) == LIFETIME


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (chosen("anna", "short"), "This password is too short"),
        (chosen("anna", "12345678901"), "entirely numeric"),
        (chosen("a-long-user-name", "a-long-user-name"), "too similar to the username"),
        (chosen("anna", PASSWORD, "another one"), "The two passwords differ."),
        (chosen("taken"), "There is already a user of that name"),
        (chosen("TAKEN"), "There is already a user of that name"),
        (chosen("not a name!"), "Enter a valid username"),
        (chosen("x" * 151), "at most 150 characters"),
        (chosen("nul\0"), "Null characters are not allowed"),
        (chosen(""), "This field is required"),
    ],
)
def test_what_was_chosen_badly_is_said_and_uses_nothing_up(client: Client, fields: dict[str, str], words: str) -> None:
    make_user(username="taken")
    path = invite(make_account())
    answer = client.post(path, fields)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert User.objects.count() == 1
    assert client.post(path, chosen("better")).status_code == 302


@pytest.mark.django_db
def test_the_rules_of_a_password_are_not_shown_twice(client: Client) -> None:
    path = invite(make_account())
    rules = '<p class="field-help" id="id_password_helptext">'
    assert rules in client.get(path).content.decode()
    assert rules not in client.post(path, chosen("anna", "short")).content.decode()
    assert rules in client.post(path, chosen("not a name!")).content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_link_used_twice_at_once_lets_one_in() -> None:
    token = invite(make_account()).removeprefix("/invitations/")
    users, together, outcomes = [make_user(), make_user()], threading.Barrier(2), []

    def accept(user: User) -> None:
        try:
            together.wait(60)
            accept_invitation(token=token, person=user, now=timezone.now())
            outcomes.append("joined")
        except Refusal as refusal:
            outcomes.append(refusal.message[:31])
        finally:
            connection.close()

    threads = [threading.Thread(target=accept, args=[user]) for user in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == ["This invitation has been used. ", "joined"]
    assert Membership.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "words"), [("bad name", "username"), ("adrnin", "looks like 'admin'")])
def test_nobody_is_invited_by_a_name_that_they_could_not_have(name: str, words: str) -> None:
    account = make_account()
    make_user(username="admin")
    with pytest.raises(CommandError, match=words):
        call_command("add_member", name, account=account.account_id, role="viewer")
    assert not Invitation.objects.exists()


@pytest.mark.django_db
def test_the_command_sets_the_role_of_a_user_who_exists() -> None:
    user, account = make_user(username="Anna"), make_account(account_id="team-a")
    assert add_member("anna", "--account", "team-a", "--role", "publisher") == "Anna is publisher of team-a."
    assert Membership.objects.get(user=user, account=account).role == Role.PUBLISHER
    assert not Invitation.objects.exists()


@pytest.mark.django_db
def test_the_command_makes_a_user_with_a_password_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    make_account(account_id="team-a")
    arguments = ("anna", "--account", "team-a", "--role", "viewer", "--password-stdin")
    monkeypatch.setattr("sys.stdin", io.StringIO("12345\n"))
    with pytest.raises(CommandError, match="too short"):
        add_member(*arguments)
    assert not User.objects.exists()

    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    assert add_member(*arguments) == "anna is viewer of team-a."
    assert User.objects.get().check_password(PASSWORD)
    with pytest.raises(CommandError, match="changepassword"):
        add_member(*arguments)


@pytest.mark.django_db
def test_the_command_names_the_accounts_that_there_are() -> None:
    make_account(account_id="team-a")
    with pytest.raises(CommandError, match=r"no account 'nowhere'. Accounts: team-a\."):
        add_member("anna", "--account", "nowhere", "--role", "viewer")
