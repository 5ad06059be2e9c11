"""Sign-in, sign-out, password change, and how often one may try."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.test import Client
from django.urls import NoReverseMatch, reverse

from tests.makers import PASSWORD, make_account, make_member, make_user, sign_in

pytestmark = pytest.mark.django_db


def post_sign_in(client: Client, username: str, password: str, **extra: str) -> int:
    return client.post("/sign-in", {"login": username, "password": password}, **extra).status_code  # type: ignore[arg-type]


def test_signing_in_and_out(client: Client) -> None:
    make_user(username="anna")
    assert post_sign_in(client, "anna", "wrong") == 422
    assert "_auth_user_id" not in client.session
    answer = client.post("/sign-in?next=/password", {"login": "anna", "password": PASSWORD, "next": "/password"})
    assert answer.headers["Location"] == "/password"
    assert client.get("/password").status_code == 200
    assert client.get("/sign-out").status_code == 200
    assert client.post("/sign-out").status_code == 302
    assert client.get("/password").status_code == 302


@pytest.mark.parametrize("key", ['"\\000aaaaaaaaaaaaaaaa"', "a" * 31, "A" * 32, "é" * 32, "a" * 5000])
def test_a_cookie_that_is_no_key_of_a_session_signs_nobody_in(client: Client, key: str) -> None:
    assert client.get("/sign-in", headers={"Cookie": f"{settings.SESSION_COOKIE_NAME}={key}"}).status_code == 200


def test_signing_in_leads_to_no_other_site(client: Client) -> None:
    make_user(username="anna")
    fields = {"login": "anna", "password": PASSWORD, "next": "https://elsewhere.example/"}
    assert not client.post("/sign-in", fields).headers["Location"].startswith("http")


def test_the_page_says_what_to_do_about_a_forgotten_password(client: Client) -> None:
    assert "./run manage changepassword" in client.get("/sign-in").content.decode()


def test_guessing_is_answered_with_429_and_when_to_come_back(client: Client) -> None:
    make_user(username="anna")
    statuses = [post_sign_in(client, "anna", f"guess {attempt}") for attempt in range(5)]
    answer = client.post("/sign-in", {"login": "anna", "password": PASSWORD})
    assert (statuses, answer.status_code) == ([422] * 5, 429)
    assert 1 <= int(answer.headers["Retry-After"]) <= 5
    assert "Try again in" in answer.content.decode()
    assert "_auth_user_id" not in client.session
    assert post_sign_in(client, "berta", "wrong") == 422
    assert post_sign_in(client, "anna", PASSWORD, REMOTE_ADDR="192.0.2.7") == 302


def test_a_user_who_is_switched_off_is_told_so(client: Client) -> None:
    user = make_user(username="anna")
    user.is_active = False
    user.save()
    answer = client.post("/sign-in", {"login": "anna", "password": PASSWORD}, follow=True)
    assert "switched off" in answer.content.decode()
    assert "_auth_user_id" not in client.session


def test_changing_the_password_ends_other_sessions(client: Client) -> None:
    user = make_user(username="anna")
    elsewhere = sign_in(Client(), user)
    sign_in(client, user)
    fields = {"oldpassword": PASSWORD, "password1": "ropes and sails 7", "password2": "ropes and sails 7"}
    assert client.post("/password", fields | {"oldpassword": "wrong"}).status_code == 422
    assert client.post("/password", fields | {"password1": "short", "password2": "short"}).status_code == 422
    user.refresh_from_db()
    assert user.check_password(PASSWORD)

    assert client.post("/password", fields).status_code == 302
    user.refresh_from_db()
    assert user.check_password("ropes and sails 7")
    assert client.get("/password").status_code == 200
    assert elsewhere.get("/password").status_code == 302


@pytest.mark.parametrize("name", ["account_signup", "account_email", "account_reset_password"])
def test_pages_that_need_a_mail_server_or_open_sign_up_are_not_there(name: str) -> None:
    with pytest.raises(NoReverseMatch):
        reverse(name)


def test_switching_the_account(client: Client) -> None:
    user = make_member(account=make_account(account_id="local"))
    make_member(account=make_account(account_id="team-a"), user=user)
    make_account(account_id="team-b")
    sign_in(client, user)

    answer = client.post("/account", {"account": "team-a", "next": "/password"})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/password")
    assert client.session["active_account"] == "team-a"
    assert "launcher of team-a" in client.get("/password").content.decode()
    for not_mine in ("team-b", "nowhere", ""):
        assert client.post("/account", {"account": not_mine}).status_code == 404
    assert client.session["active_account"] == "team-a"
    elsewhere = client.post("/account", {"account": "local", "next": "//elsewhere.example/"})
    assert elsewhere.headers["Location"] == "/"
