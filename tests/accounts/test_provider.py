"""Sign-in by an identity provider: who gets in, as what, and for how long. The provider is a real one, on loopback."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from allauth.socialaccount.models import SocialAccount
from django.conf import settings as given
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.actors import SYSTEM
from accounts.domain.authenticate_key import authenticate_key
from accounts.domain.deactivate_user import deactivate_user
from accounts.groups import read_grants
from accounts.models import ApiKey, AuditEntry, Membership, User
from accounts.roles import Role
from tests.accounts.makers import make_key
from tests.identity_provider import CLIENT, SECRET, IdentityProvider, identity_provider
from tests.makers import PASSWORD, make_account, make_member, make_user, sign_in

pytestmark = pytest.mark.django_db
GRANTS = "ml=team-a:launcher, leads=team-a:admin, leads=team-b:publisher, ops=superuser"


@pytest.fixture(scope="module")
def listening() -> Iterator[IdentityProvider]:
    with identity_provider("http://testserver/sign-in/oidc/answer") as provider:
        yield provider


@pytest.fixture
def provider(listening: IdentityProvider, settings: Settings) -> IdentityProvider:
    """The provider, known here, with nobody in it; accounts team-a and team-b."""
    listening.people, listening.silent = {}, False
    apps = copy.deepcopy(given.SOCIALACCOUNT_PROVIDERS)
    apps["openid_connect"]["APPS"][0] |= {
        "client_id": CLIENT,
        "secret": SECRET,
        "settings": {"server_url": listening.address},
    }
    settings.SOCIALACCOUNT_PROVIDERS = apps
    settings.SLIPWAY_OIDC_ISSUER, settings.SLIPWAY_OIDC_NAME = listening.address, "Works"
    settings.SLIPWAY_OIDC_ROLES = read_grants(GRANTS)
    for account_id in ("team-a", "team-b"):
        make_account(account_id=account_id)
    return listening


def enter(client: Client, name: str, **fields: str) -> httpx.Response:
    """Go to the provider, sign in there as the person, and come back."""
    there = client.post("/sign-in/oidc", fields).headers["Location"]
    return client.get(httpx.post(there, data={"who": name}).headers["Location"])  # type: ignore[return-value]


def roles_of(name: str) -> dict[str, str]:
    held = Membership.objects.filter(user__username=name).values_list("account__account_id", "role")
    return dict(held)


def reasons(verb: str) -> list[str]:
    return list(AuditEntry.objects.filter(verb=verb).order_by("pk").values_list("reason", flat=True))


def test_groups_give_roles_and_change_them_at_the_next_sign_in(provider: IdentityProvider, client: Client) -> None:
    anna = provider.add("anna", "ml", "leads", "other")
    answer = enter(client, "anna", next="/security")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/security")
    assert roles_of("anna") == {"team-a": "admin", "team-b": "publisher"}
    assert any("by Works" in reason for reason in reasons("sign_in"))
    assert client.get("/security").status_code == 200
    assert client.session.get_expiry_age() <= given.SLIPWAY_OIDC_SESSION_HOURS * 3600
    user = User.objects.get(username="anna")
    assert (user.email, user.has_usable_password(), user.is_superuser) == ("anna@team.example", False, False)
    assert "No password" in client.get("/password").content.decode()

    anna.groups = ["ml", "ops"]
    enter(Client(), "anna")
    user.refresh_from_db()
    assert (roles_of("anna"), user.is_superuser, user.is_staff) == ({"team-a": "launcher"}, True, True)
    assert client.get("/admin/").status_code == 200  # by the same door
    anna.groups = ["ml"]
    enter(Client(), "anna")
    assert client.get("/admin/", follow=True).status_code == 403
    assert User.objects.filter(username="anna").count() == 1


def test_who_is_in_no_group_any_more_loses_roles_keys_and_sessions(provider: IdentityProvider, client: Client) -> None:
    anna = provider.add("anna", "leads")
    enter(client, "anna")
    user = User.objects.get(username="anna")
    make_key(account=make_account(account_id="team-a"), user=user)
    anna.groups = []
    answer = enter(Client(), "anna")
    assert (answer.status_code, roles_of("anna")) == (403, {})
    assert "none of your groups" in answer.content.decode()
    assert client.get("/security").status_code == 302
    assert not ApiKey.objects.filter(revoked_at=None).exists()
    assert enter(Client(), provider.add("bert", "unheard-of").name).status_code == 403
    assert not User.objects.filter(username="bert").exists()
    assert reasons("fail_to_sign_in") == ["no group of theirs has a role here"] * 2


def test_a_name_that_somebody_has_is_not_taken_over(provider: IdentityProvider, client: Client) -> None:
    here = make_user(username="admin", superuser=True)
    provider.add("admin", "ml", email="admin@elsewhere.example")
    enter(client, "admin")
    assert client.session["_auth_user_id"] != str(here.pk)
    assert roles_of("admin-2") == {"team-a": "launcher"}
    enter(Client(), provider.add("Admin", "ml", email="boss@elsewhere.example").name)
    assert roles_of("Admin-3") == {"team-a": "launcher"}


def test_nobody_of_the_provider_is_called_as_who_may_pass_it(provider: IdentityProvider, client: Client) -> None:
    enter(client, provider.add("admin", "ml").name)
    assert roles_of("admin-2") == {"team-a": "launcher"}


def test_who_is_switched_off_here_loses_sessions_and_keys(provider: IdentityProvider, client: Client) -> None:
    provider.add("anna", "ml")
    enter(client, "anna")
    user = User.objects.get(username="anna")
    make_key(account=make_account(account_id="team-a"), user=user)
    deactivate_user(actor=SYSTEM, user=user, now=timezone.now())
    User.objects.filter(pk=user.pk).update(is_active=True)  # neither comes back with the person
    assert client.get("/security").status_code == 302
    assert not ApiKey.objects.filter(revoked_at=None).exists()
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert enter(Client(), "anna").headers["Location"] == "/inactive"
    assert reasons("fail_to_sign_in") == ["switched off"]


def test_keys_open_nothing_when_the_provider_vouched_for_nobody_of_late(
    provider: IdentityProvider, client: Client
) -> None:
    provider.add("anna", "ml")
    enter(client, "anna")
    user, now = User.objects.get(username="anna"), timezone.now()
    _, secret = make_key(account=make_account(account_id="team-a"), user=user, days=None)
    days = timedelta(days=given.SLIPWAY_OIDC_KEY_DAYS)
    assert authenticate_key(secret=secret, now=now + days / 2) is not None
    assert authenticate_key(secret=secret, now=now + days + timedelta(hours=1)) is None


def test_a_user_who_is_here_signs_in_by_it_from_now_on(provider: IdentityProvider, client: Client) -> None:
    user = make_member(username="anna", role=Role.VIEWER, account=make_account(account_id="team-b"))
    provider.add("ann.smith", "ml")
    sign_in(client, user)
    again = client.post("/sign-in/oidc", {"process": "connect"})
    assert again.headers["Location"].startswith("/sign-in/again?")
    assert client.post("/sign-in/again", {"password": "wrong"}).status_code == 422
    back = client.post(again.headers["Location"], {"password": PASSWORD})
    answer = client.get(httpx.post(back.headers["Location"], data={"who": "ann.smith"}).headers["Location"])
    assert answer.headers["Location"] == "/security"
    page = client.get("/security").content.decode()
    assert "From now on you sign in by Works" in page
    assert roles_of("anna") == {"team-a": "launcher"}
    user.refresh_from_db()
    assert not user.has_usable_password()
    assert client.session.get_expiry_age() <= given.SLIPWAY_OIDC_SESSION_HOURS * 3600

    other = sign_in(Client(), make_user(username="bert"))
    other.post("/sign-in/again", {"password": PASSWORD})
    enter(other, "ann.smith", process="connect")
    assert "another user here already" in other.get("/security").content.decode()
    assert SocialAccount.objects.get().user == user


@pytest.mark.parametrize("address", ["/sign-in/oidc?process=connect", "/sign-in/oidc"])
def test_nobody_is_handed_over_who_did_not_give_the_password_once_more(
    provider: IdentityProvider, client: Client, address: str
) -> None:
    user = make_user(username="anna")
    provider.add("mallory", "ml")
    fields = {} if "?" in address else {"process": "connect"}
    assert client.post(address, fields).headers["Location"].startswith("/sign-in?")
    sign_in(client, user)
    assert client.post(address, fields).headers["Location"].startswith("/sign-in/again?")
    assert client.post(address.replace("connect", "redirect"), {"process": "redirect"}).status_code == 400

    client.post("/sign-in/again", {"password": PASSWORD})
    there = client.post(address, fields).headers["Location"]
    back = httpx.post(there, data={"who": "mallory"}).headers["Location"]
    states = client.session["socialaccount_states"]
    client.post("/sign-out")
    for other in (None, make_user(username="bert")):
        if other:
            sign_in(client, other)
        session = client.session
        session["socialaccount_states"] = states  # as if it had outlived who began it
        session.save()
        client.cookies[given.SESSION_COOKIE_NAME] = str(session.session_key)
        assert client.get(back).headers["Location"] == "/security"
        back = httpx.post(there, data={"who": "mallory"}).headers["Location"]
    assert not SocialAccount.objects.exists()
    assert not User.objects.filter(password__startswith="!").exists()


def test_nobody_is_handed_over_whom_the_provider_would_not_let_in(
    provider: IdentityProvider, settings: Settings, client: Client
) -> None:
    user = make_user(username="anna")
    sign_in(client, user)
    settings.SLIPWAY_OIDC_ONLY = True  # who was signed in before gives the old password once more
    assert client.post("/sign-in/again", {"password": PASSWORD}).status_code == 302
    enter(client, provider.add("ann.smith", "none of ours").name, process="connect")
    assert "you would not get in any more" in client.get("/security").content.decode()
    user.refresh_from_db()
    assert user.has_usable_password()
    assert not SocialAccount.objects.exists()


def test_by_the_provider_alone_but_for_the_admin_with_a_password(
    provider: IdentityProvider, settings: Settings, client: Client
) -> None:
    settings.SLIPWAY_OIDC_ONLY = True
    make_user(username="anna")
    make_user(username="admin", superuser=True)
    fields = {"login": "anna", "password": PASSWORD}
    refused = client.post("/sign-in", fields)
    assert refused.status_code == 422
    assert "Sign in by Works" in refused.content.decode()
    assert client.post("/sign-in", fields | {"login": "Admin"}).status_code == 302
    client.post("/sign-in/again", {"password": PASSWORD})
    enter(client, provider.add("boss", "ml").name, process="connect")
    assert "keeps the password" in client.get("/security").content.decode()


def test_an_invitation_makes_no_password_where_the_provider_is_the_only_door(
    provider: IdentityProvider, settings: Settings, client: Client
) -> None:
    settings.SLIPWAY_OIDC_ONLY = True
    admin = sign_in(Client(), make_member(account=make_account(account_id="team-b"), role=Role.ADMIN))
    page = admin.post("/members", {"role": "viewer"}).content.decode()
    path = "/invitations/" + page.partition("/invitations/")[2][:43]
    assert "Sign in by Works, then join" in client.get(path).content.decode()
    new = {"username": "anna", "password": "ropes and sails 7", "repeated": "ropes and sails 7"}
    assert client.post(path, new).status_code == 422
    assert enter(client, provider.add("anna", "ml").name, next=path).headers["Location"] == path
    assert client.post(path).status_code == 302
    assert roles_of("anna") == {"team-a": "launcher", "team-b": "viewer"}


def test_what_the_provider_answers_wrongly_signs_nobody_in(provider: IdentityProvider, client: Client) -> None:
    there = client.post("/sign-in/oidc").headers["Location"]
    refused = httpx.post(there, data={"refuse": "yes"}).headers["Location"]
    assert client.get(refused).headers["Location"] == "/sign-in"
    assert "You did not sign in by Works" in client.get("/sign-in").content.decode()
    assert client.get("/sign-in/oidc/answer?code=made-up&state=made-up").status_code == 401

    provider.add("anna", "ml")
    there = client.post("/sign-in/oidc").headers["Location"]
    back = httpx.post(there, data={"who": "anna"}).headers["Location"]
    assert Client().get(back).status_code == 401  # another browser's
    provider.silent = True
    assert client.get(back).status_code in (401, 502)
    assert client.post("/sign-in/oidc").status_code == 502
    assert "_auth_user_id" not in client.session
    assert not User.objects.exists()


def test_without_a_provider_there_is_no_such_door(client: Client) -> None:
    assert client.post("/sign-in/oidc").status_code == 404
    assert client.post("/sign-in/oidc", {"process": "connect"}).status_code == 404
    assert client.get("/sign-in/oidc/answer").status_code == 404
    assert "oidc" not in client.get("/sign-in").content.decode()


@pytest.mark.parametrize("raw", ["ml", "ml=team", "ml=team:boss", "=team:viewer", "ml=:viewer"])
def test_a_grant_that_gives_nothing_is_refused(raw: str) -> None:
    with pytest.raises(ValueError, match="is none of group=account:role"):
        read_grants(raw)


def test_the_second_factor_of_the_provider_counts(
    provider: IdentityProvider, settings: Settings, client: Client
) -> None:
    settings.SLIPWAY_MFA_ROLES = (Role.ADMIN,)
    anna = provider.add("anna", "leads")
    enter(client, "anna")
    assert client.get("/launches").headers["Location"] == "/security"
    anna.more["amr"] = ["pwd", "mfa"]
    enter(client, "anna")
    assert client.get("/launches").status_code == 200
    del anna.more["amr"]
    settings.SLIPWAY_OIDC_MFA = True
    enter(client, "anna")
    assert client.get("/launches").status_code == 200
