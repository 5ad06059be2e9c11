"""The page of API keys: what is shown to whom, the secret once, and what goes wrong."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.actors import SYSTEM
from accounts.domain.authenticate_key import authenticate_key
from accounts.domain.revoke_api_key import revoke_api_key
from accounts.models import Account, ApiKey
from accounts.roles import Role
from tests.accounts.makers import client_of, make_key
from tests.makers import make_account, make_member, make_user, sign_in

FIELDS = {"account": "team-a", "name": "notebook", "scope": "launch", "days": "90"}


def said(client: Client, path: str = "/keys") -> str:
    return client.get(path).content.decode()


def test_a_key_is_made_and_its_secret_shown_once(team: Account, settings: Settings) -> None:
    settings.SLIPWAY_URL = "https://slipway.example"
    client, anna = client_of(team, Role.LAUNCHER, username="anna")
    answer = client.post("/keys", FIELDS)
    page = answer.content.decode()
    found = re.search(r"slpw_[\w-]{43}", page)
    assert answer.status_code == 200 and found
    assert "no-store" in answer["Cache-Control"] and "private" in answer["Cache-Control"]
    assert 'data-copy-from="secret"' in page
    assert "curl -H &quot;X-Api-Key: $SLIPWAY_API_KEY&quot; https://slipway.example/v1/accounts/team-a" in page
    key = authenticate_key(secret=found[0], now=timezone.now())
    assert key is not None and (key.user, key.account, key.name, key.scope) == (anna, team, "notebook", "launch")
    assert key.expires_at is not None
    assert timedelta(days=89) < key.expires_at - timezone.now() <= timedelta(days=90)

    later = said(client)
    assert found[0] not in later and key.prefix in later and "notebook" in later
    assert key.secret_hash not in page + later


def test_ninety_days_is_what_the_form_proposes(team: Account) -> None:
    page = said(client_of(team, Role.VIEWER)[0])
    assert '<option value="90" selected>after 90 days</option>' in page
    assert '<option value="launch" disabled>launch: not with your role</option>' in page
    assert '<option value="read">read: see the catalog and launches</option>' in page


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": ""}, "This field is required"),
        ({"name": "x" * 41}, "at most 40 characters"),
        ({"name": "nul\0"}, "Null characters are not allowed"),
        ({"name": "two\u2028lines"}, "Use 1 to 40 visible characters."),
        ({"name": "taken"}, "anna has a key named taken in team-a. Choose another name, or revoke it."),
        (
            {"scope": "publish"},
            "can have the scope read or launch, not publish. An admin of team-a can change",
        ),
        ({"scope": "admin"}, "Select a valid choice"),
        ({"days": "31"}, "Select a valid choice"),
        ({"days": ""}, "This field is required"),
    ],
)
def test_a_wrong_key_is_answered_with_the_form_as_it_was(team: Account, fields: dict[str, str], words: str) -> None:
    client, anna = client_of(team, Role.LAUNCHER, username="anna")
    make_key(account=team, user=anna, name="taken")
    answer = client.post("/keys", FIELDS | fields)
    page = answer.content.decode()
    assert answer.status_code == 422 and words in page
    assert "shown only now" not in page
    assert ApiKey.objects.count() == 1
    if "name" not in fields:
        assert 'value="notebook"' in page


def test_a_form_of_another_account_makes_nothing(team: Account) -> None:
    client, _ = client_of(team, Role.LAUNCHER)
    answer = client.post("/keys", FIELDS | {"account": "team-b"})
    assert answer.status_code == 422 and "This form was opened for account team-b" in answer.content.decode()
    assert not ApiKey.objects.exists()


def test_members_see_their_own_keys_and_admins_everybodys(team: Account) -> None:
    client, anna = client_of(team, Role.LAUNCHER, username="anna")
    ben_client, ben = client_of(team, Role.PUBLISHER, username="ben")
    admin, _ = client_of(team, Role.ADMIN)
    make_key(account=team, user=anna, name="of-anna")
    make_key(account=team, user=ben, name="of-ben")
    make_key(name="of-another-account")
    seen = {
        who: [name for name in ("of-anna", "of-ben", "of-another-account") if name in said(browser)]
        for who, browser in {"anna": client, "ben": ben_client, "admin": admin}.items()
    }
    assert seen == {"anna": ["of-anna"], "ben": ["of-ben"], "admin": ["of-anna", "of-ben"]}


def test_a_key_of_another_account_of_mine_is_not_on_this_page(team: Account) -> None:
    client, anna = client_of(team, Role.LAUNCHER)
    other = make_account(account_id="team-b")
    make_member(account=other, role=Role.VIEWER, user=anna)
    make_key(account=other, user=anna, name="of-team-b")
    assert "of-team-b" not in said(client)
    client.post("/account", {"account": "team-b"})
    assert "of-team-b" in said(client)


def test_revoking_asks_then_does_it(team: Account) -> None:
    client, anna = client_of(team, Role.LAUNCHER, username="anna")
    key, secret = make_key(account=team, user=anna)
    page = said(client, f"/keys/{key.pk}/revoke")
    assert "Revoke the key ci?" in page and key.prefix in page
    assert authenticate_key(secret=secret, now=timezone.now())  # looking revokes nothing

    done = client.post(f"/keys/{key.pk}/revoke", follow=True).content.decode()
    assert "The key ci of anna was revoked: it opens nothing any more." in done and "revoked</span>" in done
    assert authenticate_key(secret=secret, now=timezone.now()) is None
    again = client.post(f"/keys/{key.pk}/revoke")
    assert again.status_code == 422 and "was revoked already" in again.content.decode()


@pytest.mark.parametrize("number", [0, 10**17, 10**30])
def test_numbers_that_are_no_key_of_mine_are_not_found(team: Account, number: int) -> None:
    client, _ = client_of(team, Role.ADMIN)
    answer = client.post(f"/keys/{number}/revoke")
    assert answer.status_code == 404 and "There is no such API key" in answer.content.decode()


def test_a_key_of_another_account_is_not_found_by_its_admin_elsewhere(team: Account) -> None:
    client, _ = client_of(team, Role.ADMIN)
    key, secret = make_key()
    for answer in (client.get(f"/keys/{key.pk}/revoke"), client.post(f"/keys/{key.pk}/revoke")):
        assert answer.status_code == 404 and key.prefix not in answer.content.decode()
    assert authenticate_key(secret=secret, now=timezone.now())


def test_expired_revoked_and_endless_keys_say_so(team: Account) -> None:
    client, anna = client_of(team, Role.VIEWER)
    make_key(account=team, user=anna, name="late", now=timezone.now() - timedelta(days=31))
    gone, _ = make_key(account=team, user=anna, name="gone")
    revoke_api_key(actor=SYSTEM, key=gone, now=timezone.now())
    make_key(account=team, user=anna, name="endless", days=None)
    page = said(client)
    assert "expired</span>" in page and "revoked</span>" in page and "</span>never" in page


def test_without_an_account_there_is_nothing_to_make(db: None) -> None:
    client = sign_in(Client(), make_user())
    assert "No account, no keys" in said(client)
    answer = client.post("/keys", FIELDS)
    assert answer.status_code == 404 and "You are a member of no account yet" in answer.content.decode()


def test_pages_hold_fifty_and_leave_none_out(team: Account) -> None:
    client, anna = client_of(team, Role.VIEWER)
    for number in range(120):
        make_key(account=team, user=anna, name=f"k{number:03}")
    seen: list[str] = []
    path: str | None = "/keys"
    while path:
        page = said(client, path)
        seen += re.findall(r">(k\d{3})</span>", page)
        following = re.search(r'href="(/keys\?before=[^"]+)" rel="next"', page)
        path = following[1] if following else None
    assert seen == [f"k{number:03}" for number in reversed(range(120))]
    assert 'name="state"' in said(client, "/keys")
    ApiKey.objects.filter(name__startswith="k00").update(revoked_at=timezone.now())
    ApiKey.objects.filter(name__startswith="k01").update(expires_at=timezone.now())
    for asked, found in {
        "q=K11": 10,
        "state=revoked": 10,
        "state=expired&q=k": 10,
        "state=live": 50,
        "q=no": 0,
    }.items():
        page = said(client, f"/keys?{asked}")
        assert (len(re.findall(r">(k\d{3})</span>", page)), "No key matches" in page) == (found, not found), asked


def test_asking_costs_the_same_for_few_and_for_many(team: Account) -> None:
    client, admin = client_of(team, Role.ADMIN)

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get("/keys").status_code == 200
        return len(queries)

    make_key(account=team, user=admin)
    few = count()
    for _ in range(20):
        make_key(account=team, role=Role.VIEWER)
    assert (few, count()) == (5, 5)
