"""The headers and cookies that keep other sites, and what was injected, away from a session."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from http import HTTPStatus
from pathlib import Path

import pytest
from django.test import Client

from accounts.roles import Role
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


def test_pages_travel_compressed_where_that_is_taken_and_streams_as_they_are(client: Client) -> None:
    plain, packed = client.get("/"), client.get("/", headers={"accept-encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers and packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.content) * 2 < len(plain.content) and b"<title>" in gzip.decompress(packed.content)
    assert all("Accept-Encoding" in answer.headers["Vary"] for answer in (plain, packed))
    sign_in(client, make_member(role=Role.ADMIN))
    stream = client.get("/audit.csv", headers={"accept-encoding": "gzip"})
    assert stream.streaming and "Content-Encoding" not in stream.headers


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


def test_a_theme_that_is_none_is_not_answered_as_markup(client: Client) -> None:
    answer = client.post("/theme", {"theme": "<b>dark</b>"})
    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("charset", ["utf-7", "latin-1", "hex", "nonsense"])
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize(("path", "status"), [("/theme", HTTPStatus.FOUND), ("/nowhere", HTTPStatus.NOT_FOUND)])
def test_whatever_charset_a_request_names_it_is_read_as_utf8(
    client: Client, charset: str, kind: str, path: str, status: HTTPStatus
) -> None:
    form = "theme=dark&next=/%3Fq%3D%C3%A9"
    if kind.startswith("multipart"):
        part = '--x\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
        form = part.format("theme", "dark") + part.format("next", "/?q=é") + "--x--\r\n"
    answer = client.generic("POST", path, form, content_type=f"{kind}; charset={charset}")
    assert answer.status_code == status
    assert answer.headers.get("Location") in (None, "/?q=%C3%A9")


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


def test_a_fragment_that_needs_a_session_sends_the_browser_to_sign_in_and_back_to_its_page(client: Client) -> None:
    page = "http://testserver/launches?state=RUNNING"
    answer = client.get("/launches", headers={"HX-Request": "true", "HX-Current-URL": page})
    assert answer.headers["HX-Redirect"] == "/sign-in?next=/launches%3Fstate%3DRUNNING"
    elsewhere = client.get("/launches", headers={"HX-Request": "true", "HX-Current-URL": "https://evil.example/x"})
    assert elsewhere.headers["HX-Redirect"] == "/sign-in?next=/"
    assert "HX-Redirect" not in client.get("/launches").headers
