"""Which passwords are taken, at every door that sets one, and what ends with the old one."""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts.actors import SYSTEM
from accounts.domain.create_invitation import create_invitation
from accounts.models import AuditEntry, SeenAddress, SignInFailures, User
from accounts.passwords import wrong_password
from accounts.roles import Role
from tests.accounts.makers import make_key
from tests.makers import PASSWORD, make_account, make_member, make_user, sign_in

WEAK, NEW = "aaaaaaaaaaaa", "ropes and sails 7"
SAID = "This password is easy to guess."


@pytest.mark.parametrize(
    "password",
    [WEAK, "abababababab", "123412341234", "qwertyqwerty", "password1234", "letmein12345", "slipwayslipway", "a" * 200],
)
def test_what_is_guessed_first_is_refused(password: str) -> None:
    said = [wrong.description for wrong in wrong_password(User(username="anna"), password)]
    assert any(sentence.startswith((SAID, "This password is too common", "This password is enti")) for sentence in said)


@pytest.mark.parametrize("password", [PASSWORD, NEW, "kd7x-9wmz-fp3q-t8vn", f"{'a' * 16} and a harbour 9"])
def test_what_is_hard_to_guess_is_taken(password: str) -> None:
    assert wrong_password(User(username="anna"), password) == []


def test_a_password_takes_no_time_to_judge() -> None:
    wrong_password(User(username="anna"), WEAK)  # reads the lists
    begun = time.perf_counter()
    wrong_password(User(username="anna"), "4@8({[</369&#!1|0$5+7%2" * 40)
    assert time.perf_counter() - begun < 20  # a minute and more, were all of it judged


def by_page(password: str) -> str:
    client = sign_in(Client(), make_user(username="anna"))
    fields = {"oldpassword": PASSWORD, "password1": password, "password2": password}
    return client.post("/password", fields).content.decode()


def by_invitation(password: str) -> str:
    _, token = create_invitation(actor=SYSTEM, account=make_account(), role=Role.VIEWER, now=timezone.now())
    fields = {"username": "anna", "password": password, "repeated": password}
    return Client().post(f"/invitations/{token}", fields).content.decode()


def by_superuser(password: str) -> str:
    client, user = sign_in(Client(), make_user(username="root", superuser=True)), make_user(username="anna")
    fields = {"password1": password, "password2": password, "usable_password": "true"}
    return client.post(f"/admin/accounts/user/{user.pk}/password/", fields).content.decode()


def by_command(*arguments: str) -> Callable[[str], str]:
    def call(password: str) -> str:
        make_account(account_id="team-a")
        if arguments[0] == "changepassword":
            make_user(username="anna")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
            try:
                call_command(*arguments, "--password-stdin", stdout=io.StringIO())
            except CommandError as error:
                return str(error)
        return ""

    return call


def by_first_start(password: str) -> str:
    from django.conf import settings

    settings.SLIPWAY_ADMIN_USER, settings.SLIPWAY_ADMIN_PASSWORD = "anna", password
    try:
        call_command("setup_accounts", stdout=io.StringIO())
    except CommandError as error:
        return str(error)
    return ""


DOORS = {
    "page": by_page,
    "invitation": by_invitation,
    "superuser": by_superuser,
    "add_member": by_command("add_member", "anna", "--account", "team-a", "--role", "viewer"),
    "changepassword": by_command("changepassword", "anna"),
    "first start": by_first_start,
}


@pytest.mark.django_db
@pytest.mark.parametrize("door", DOORS)
def test_every_door_refuses_a_weak_one_and_takes_a_good_one(door: str, settings) -> None:  # type: ignore[no-untyped-def]
    settings.SLIPWAY_ADMIN_USER = settings.SLIPWAY_ADMIN_PASSWORD = ""  # put back afterwards, whatever a door sets
    assert SAID in DOORS[door](WEAK)
    assert not User.objects.filter(username="anna", password__contains="$").filter(is_superuser=True).exists()
    User.objects.all().delete()
    assert SAID not in DOORS[door](NEW)
    assert User.objects.get(username="anna").check_password(NEW)


@pytest.mark.django_db
@pytest.mark.parametrize("revoke", [True, False])
def test_a_change_offers_to_revoke_keys_and_ends_other_sessions(client: Client, revoke: bool) -> None:
    account = make_account(account_id="team-a")
    user = make_member(account=account, username="anna")
    keys = [make_key(account=account, user=user, name=name)[0] for name in ("ci", "notebook")]
    elsewhere = sign_in(Client(), user)
    sign_in(client, user)
    assert "Revoke my API keys, too (2)" in client.get("/password").content.decode()
    fields = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW} | ({"revoke_keys": "on"} if revoke else {})
    page = client.post("/password", fields, follow=True).content.decode()
    assert ("2 API keys revoked." in page, "signed out everywhere else" in page) == (revoke, True)
    assert elsewhere.get("/password").status_code == 302
    for key in keys:
        key.refresh_from_db()
    assert [key.revoked_at is not None for key in keys] == [revoke, revoke]
    entry = AuditEntry.objects.get(verb="change_password")
    assert (entry.account, entry.actor_label, entry.target, entry.address) == (
        account,
        "anna",
        "users/anna",
        "127.0.0.1",
    )
    assert entry.after == {"keysRevoked": 2 if revoke else 0}


@pytest.mark.django_db
def test_who_has_no_key_is_offered_nothing(client: Client) -> None:
    sign_in(client, make_user())
    assert "Revoke my API keys" not in client.get("/password").content.decode()


@pytest.mark.django_db
def test_guessing_the_old_password_is_slowed_down_and_noted(client: Client) -> None:
    sign_in(client, make_user(username="anna"))
    fields = {"oldpassword": "wrong", "password1": NEW, "password2": NEW}
    assert [client.post("/password", fields).status_code for _ in range(5)] == [422] * 5
    answer = client.post("/password", fields | {"oldpassword": PASSWORD})
    assert answer.status_code == 429 and int(answer.headers["Retry-After"]) <= 5
    assert AuditEntry.objects.filter(verb="fail_to_sign_in", actor_label="anna").count() == 5


@pytest.mark.django_db
def test_a_superuser_sets_one_by_the_verb(client: Client) -> None:
    account = make_account(account_id="team-a")
    user = make_member(account=account, username="anna")
    key, _ = make_key(account=account, user=user)
    sign_in(client, make_user(username="root", superuser=True))
    fields = {"password1": NEW, "password2": NEW, "usable_password": "true", "revoke_keys": "on"}
    assert client.post(f"/admin/accounts/user/{user.pk}/password/", fields).status_code == 302
    entry = AuditEntry.objects.get(verb="change_password")
    assert (entry.actor_label, entry.target, entry.account) == ("root", "users/anna", account)
    key.refresh_from_db()
    assert key.revoked_at is not None


@pytest.mark.django_db
def test_the_operators_new_password_opens_a_name_that_paused(client: Client) -> None:
    make_user(username="anna")
    for _ in range(6):
        client.post("/sign-in", {"login": "anna", "password": "wrong"})
    assert client.post("/sign-in", {"login": "anna", "password": PASSWORD}).status_code == 429
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", io.StringIO(f"{NEW}\n"))
        call_command("changepassword", "anna", "--password-stdin", stdout=io.StringIO())
    assert not SeenAddress.objects.exists()
    assert SignInFailures.objects.filter(user=None).count() == 1  # that of the address
    assert client.post("/sign-in", {"login": "anna", "password": NEW}).status_code == 302
