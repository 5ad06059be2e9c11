"""The headers and cookies that keep other sites, and what was injected, away from a session."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client

from tests.makers import PASSWORD, make_member, make_user, sign_in

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parent.parent
PAGES = ["/", "/sign-in", "/healthz", "/nowhere", "/admin/login/"]


@pytest.mark.parametrize("path", PAGES)
def test_every_answer_carries_them(client: Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert re.fullmatch("[0-9a-f]{32}", headers["X-Request-Id"])


@pytest.mark.parametrize("path", PAGES)
def test_the_content_security_policy_allows_our_own_files_alone(client: Client, path: str) -> None:
    policy = client.get(path).headers["Content-Security-Policy"]
    directives = dict(directive.strip().split(" ", 1) for directive in policy.split(";"))
    assert "unsafe" not in policy
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == directives["style-src"] == directives["connect-src"] == "'self'"
    assert directives["form-action"] == "'self'"
    assert directives["frame-ancestors"] == directives["base-uri"] == "'none'"
    assert set(directives["img-src"].split()) == {"'self'", "data:"}


@pytest.mark.parametrize("path", ["/", "/sign-in"])
def test_pages_have_no_inline_script_or_style(client: Client, path: str) -> None:
    page = client.get(path).content.decode()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page)
    assert not re.search(r"<script(?![^>]*\ssrc=)", page)


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(client: Client) -> None:
    make_user(username="anna")
    client.get("/sign-in")
    client.post("/sign-in", {"login": "anna", "password": PASSWORD})
    for name in ("sessionid", "csrftoken"):
        cookie = client.cookies[name]
        assert cookie["httponly"] and cookie["samesite"] == "Lax", name


def test_pages_of_a_session_are_private_and_asked_for_again(client: Client) -> None:
    assert "Cache-Control" not in client.get("/nowhere").headers
    sign_in(client, make_member())
    for path in ("/", "/nowhere"):
        assert set(client.get(path).headers["Cache-Control"].split(", ")) == {"private", "no-cache"}, path
    assert "no-store" in client.get("/launches").headers["Cache-Control"]


def test_a_post_without_the_token_is_refused() -> None:
    answer = Client(enforce_csrf_checks=True).post("/sign-in", {"login": "anna", "password": PASSWORD})
    assert answer.status_code == 403


@pytest.mark.parametrize(("address", "secure"), [("https://slipway.example", True), ("http://127.0.0.1:8000", False)])
def test_an_https_address_makes_cookies_secure(address: str, secure: bool) -> None:
    shown = ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_HSTS_SECONDS", "SECURE_PROXY_SSL_HEADER")
    script = (
        f"import json; from config import settings; print(json.dumps([bool(getattr(settings, n)) for n in {shown}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ | {"SLIPWAY_URL": address},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [secure] * len(shown)
