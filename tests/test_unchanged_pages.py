"""Who has a page as it is now is told so; nobody keeps a page that is another one by now, or somebody else's."""

from __future__ import annotations

import gzip
from http import HTTPStatus
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from accounts.models import Account
from accounts.roles import Role
from catalog.models import TrainingShape
from tests.makers import make_account, make_member, make_shape, make_version, sign_in

SHAPE = "/shapes/fireworks/first"
pytestmark = pytest.mark.django_db


@pytest.fixture
def team() -> Account:
    return make_account(account_id="team-a")


@pytest.fixture
def browser(settings: Settings, team: Account) -> Client:
    """Of an admin; anybody may browse."""
    settings.SLIPWAY_PUBLIC_CATALOG = True
    make_version(shape=make_shape(shape_id="first"))
    return of_member(team)


def of_member(team: Account) -> Client:
    browser = sign_in(Client(), make_member(account=team, role=Role.ADMIN))
    browser.get("/")  # which gives it the secret of its tokens
    return browser


def again(browser: Client, path: str, tag: str) -> Any:
    """Ask as a browser does that has the page which came with that tag."""
    return browser.get(path, headers={"if-none-match": tag, "accept-encoding": "gzip"})


@pytest.mark.parametrize("path", ["/", "/?sort=name", SHAPE])
def test_a_page_as_it_was_is_not_sent_again_and_a_changed_one_is(browser: Client, path: str) -> None:
    tag = browser.get(path).headers["ETag"]
    same = again(browser, path, tag)
    assert (same.status_code, same.content, same.headers["ETag"]) == (HTTPStatus.NOT_MODIFIED, b"", tag)
    assert "private" in same.headers["Cache-Control"] and "X-Request-Id" in same.headers
    assert {"Cookie", "HX-Request", "Accept-Encoding"} <= set(same.headers["Vary"].split(", "))
    make_version(shape=make_shape(shape_id="second", base_model=TrainingShape.objects.get(shape_id="first").base_model))
    changed = again(browser, path, tag)
    assert changed.status_code == HTTPStatus.OK and changed.headers["ETag"] not in ("", tag)


def test_what_another_browser_has_is_no_answer_to_this_one(browser: Client, team: Account, settings: Settings) -> None:
    other, nobody = of_member(team), Client()
    nobody.get("/")
    tag = browser.get(SHAPE).headers["ETag"]
    assert again(browser, SHAPE, tag).status_code == HTTPStatus.NOT_MODIFIED
    assert [again(each, SHAPE, tag).status_code for each in (other, nobody, Client())] == [HTTPStatus.OK] * 3
    settings.LANGUAGE_CODE = "de"
    assert again(browser, SHAPE, tag).status_code == HTTPStatus.OK
    settings.LANGUAGE_CODE = "en-us"
    browser.cookies["csrftoken"] = "a" * 32  # as after a sign-in: forms with the former secret's token are refused
    assert again(browser, SHAPE, tag).status_code == HTTPStatus.OK


def test_a_page_with_a_message_is_kept_by_nobody(browser: Client, team: Account) -> None:
    tag = browser.get("/").headers["ETag"]
    settled = {"account": team.account_id, "checkpoint_retention_days": "30"}
    assert browser.post(reverse("account_settings"), settled).status_code == HTTPStatus.FOUND
    with_message = again(browser, "/", tag)
    assert with_message.status_code == HTTPStatus.OK and "ETag" not in with_message.headers
    assert b"were saved" in gzip.decompress(with_message.content)
    assert again(browser, "/", tag).status_code == HTTPStatus.NOT_MODIFIED


def test_what_is_never_stored_is_streamed_or_is_no_page_has_no_tag(browser: Client) -> None:
    for path in ("/launches", "/audit.csv", "/nowhere", "/healthz", reverse("keys")):
        assert "ETag" not in browser.get(path).headers, path
