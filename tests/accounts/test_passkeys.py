"""Passkeys: added, asked for after the password, and whom one lets in by itself."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import AuditEntry, User
from accounts.roles import Role
from tests.authenticator import Passkey
from tests.makers import PASSWORD, make_member, make_user

pytestmark = pytest.mark.django_db


def browser() -> Client:
    """At an address that passkeys are given for."""
    return Client(SERVER_NAME="localhost")


def enter(client: Client, user: User) -> str:
    """Give name and password; where that leads."""
    return str(client.post("/sign-in", {"login": user.username, "password": PASSWORD}).headers.get("Location", ""))


def options_in(page: str) -> dict[str, Any]:
    """What a page asks the browser for."""
    told = re.findall(r'<script id="passkey-data" type="application/json">(.*?)</script>', page)[0]
    found: dict[str, Any] = json.loads(told)
    return next(iter(found.values()))


def add_passkey(client: Client) -> Passkey:
    """Add one for who is signed in."""
    passkey = Passkey("http://localhost")
    asked = client.get("/security/passkeys/add").headers["Location"]
    client.post(asked, {"password": PASSWORD})
    options = options_in(client.get("/security/passkeys/add").content.decode())
    fields = {"name": "Laptop", "credential": passkey.make(options), "passwordless": "on"}
    assert client.post("/security/passkeys/add", fields).headers["Location"] == "/security/codes"
    return passkey


def use_alone(client: Client, passkey: Passkey) -> str:
    """Sign in by nothing else; where that leads."""
    options = client.get("/sign-in/passkey", headers={"Accept": "application/json"}).json()["request_options"]
    return client.post("/sign-in/passkey", {"credential": passkey.use(options)}).headers["Location"]


def failures() -> list[tuple[str, str]]:
    """Those that were noted: whose, and why."""
    found = AuditEntry.objects.filter(verb="fail_to_sign_in").order_by("pk")
    return list(found.values_list("target", "reason"))


def test_a_passkey_is_asked_for_after_the_password_and_lets_in_by_itself(settings: Settings) -> None:
    settings.SLIPWAY_MFA_ROLES = (Role.ADMIN,)
    user = make_member(username="anna", role=Role.ADMIN)
    first = browser()
    enter(first, user)
    assert first.get("/launches").headers["Location"] == "/security"
    passkey = add_passkey(first)
    assert first.get("/launches").status_code == 200
    assert "Laptop" in first.get("/security").content.decode()

    second = browser()
    assert enter(second, user) == "/sign-in/code"
    options = options_in(second.get("/sign-in/code").content.decode())
    other = Passkey("http://localhost")
    other.place, other.identifier = passkey.place, passkey.identifier
    wrong = second.post("/sign-in/code", {"credential": other.use(options)})
    assert (wrong.status_code, "This passkey opens nothing here" in wrong.content.decode()) == (422, True)
    options = options_in(second.get("/sign-in/code").content.decode())
    assert second.post("/sign-in/code", {"credential": passkey.use(options)}).status_code == 302
    assert second.get("/launches").status_code == 200

    alone = browser()
    assert use_alone(alone, passkey) == "/"
    assert alone.get("/launches").status_code == 200
    kept = Authenticator.objects.get(type=Authenticator.Type.WEBAUTHN)
    assert first.post(f"/security/passkeys/{kept.pk}/remove").headers["Location"] == "/security"
    assert use_alone(browser(), passkey) == "/sign-in"
    assert failures() == [("users/anna", "the passkey of the second factor"), ("passkey", "a passkey alone")]


@pytest.mark.parametrize("sent", ['["x"]', "7", '{"id": "x"}', '{"response": {"userHandle": 1}}', '{"response": []}'])
def test_what_is_no_passkey_is_refused_and_noted(sent: str) -> None:
    client = browser()
    client.get("/sign-in/passkey", headers={"Accept": "application/json"})
    assert client.post("/sign-in/passkey", {"credential": sent}).headers["Location"] == "/sign-in"
    assert failures() == [("passkey", "a passkey alone")]


def test_it_is_no_door_past_the_provider(settings: Settings) -> None:
    user, admin = make_user(username="anna"), make_user(username="admin")
    client = browser()
    enter(client, user)
    passkey = add_passkey(client)
    SocialAccount.objects.create(user=user, provider="oidc", uid="anna")
    refused = browser()
    assert use_alone(refused, passkey) == "/sign-in"
    assert not {"second_factor", "account_authentication_methods"} & set(refused.session.keys()), (
        "it counts for nothing"
    )
    SocialAccount.objects.all().delete()
    assert use_alone(browser(), passkey) == "/"
    other = browser()
    enter(other, admin)
    of_admin = add_passkey(other)
    settings.SLIPWAY_OIDC_ONLY = True
    assert use_alone(browser(), passkey) == "/sign-in"
    assert use_alone(browser(), of_admin) == "/"
    settings.SLIPWAY_OIDC_ONLY, user.is_active = False, False
    user.save()
    assert use_alone(browser(), passkey) == "/inactive"
    only = ("users/anna", "a passkey alone, where only the provider opens")
    assert failures() == [only, only, ("users/anna", "a passkey alone, switched off")]
