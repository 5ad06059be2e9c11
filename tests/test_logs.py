"""One line a log record, whoever logs: our code or a library, with or without an exception."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from django.core.signing import TimestampSigner
from django.utils import timezone

from accounts.actors import SYSTEM
from accounts.domain.create_invitation import create_invitation
from accounts.models import Invitation
from accounts.roles import Role
from config.logs import hide_secrets
from tests.launches.gateway_parts import front_door
from tests.makers import make_account
from tests.waiting import wait_for

PROGRAM = """
import django; django.setup()
import logging, structlog
logging.getLogger("library").warning("from %s", "elsewhere")
structlog.get_logger("ours").warning("ours.happened", count=3)
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("library").exception("it broke")
import sys
import connections.kinds
print("asyncssh" in sys.modules)
"""


def test_every_record_is_one_line_of_pairs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    plain, ours, broke = done.stderr.splitlines()
    assert 'logger=library event="from elsewhere"' in plain
    assert "logger=ours event=ours.happened count=3" in ours
    assert "ZeroDivisionError" in broke
    assert done.stdout == "False\n", "what takes so long to load is loaded where there is a login node"


@pytest.mark.e2e  # a web server of its own
@pytest.mark.django_db(transaction=True)
def test_an_invitation_that_still_works_is_in_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_DEBUG", "true")  # serves pages without their files collected first
    _, token = create_invitation(actor=SYSTEM, account=make_account(), role=Role.ADMIN, now=timezone.now())
    link, log = f"/invitations/{token}", tmp_path / "log"
    with front_door("--access-log", log=log) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as browser:
        csrf = browser.get(link).text.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
        weak = {"username": "anna", "password": "short", "repeated": "short", "csrfmiddlewaretoken": csrf}
        assert browser.post(link, data=weak).status_code == 422
        assert browser.post(link).status_code == 403
        assert browser.put(link).status_code == 403
        assert browser.get(link.replace("invi", "%69nvi")).status_code == 200
        assert browser.get(f"{link}/").status_code == 404
        for pasted in (" ", '"', "%22", "&", "x ", f"?{token[:20]}&"):
            assert browser.post(f"/invitations/{pasted}{token}").status_code in {403, 404}, pasted
        assert browser.get(f"/sign-in?next={link}", headers={"Referer": link}).status_code == 200
        assert browser.get("/members/invitations/7/revoke").status_code == 302
        wait_for(lambda: "GET /members/invitations/7/revoke" in log.read_text())  # the server writes behind
    assert Invitation.objects.get().accepted_at is None
    said = log.read_text()
    assert "/invitations/***" in said
    assert "Unprocessable Entity" not in said  # of a request there is one line
    lines = [line for line in said.splitlines() if "logger=access" in line]
    assert any("path=/invitations/*** status=422" in line and "method=POST" in line for line in lines)
    assert any("path=/sign-in status=200" in line for line in lines)
    assert token not in said


def test_a_signed_download_is_in_no_line() -> None:
    token = TimestampSigner(key="k", sep=".").sign_object(["checkpoint", 7, "model.safetensors"])
    for line in (
        "path=/downloads/{}/m.tar status=200",
        'event="Not Found: /downloads/{}"',
        "next=%2Fdownloads%2F{}%2Fm",
    ):
        hidden = hide_secrets(None, "", line.format(token))
        assert "downloads" in hidden
        assert not any(part in hidden for part in token.split("."))


@pytest.mark.parametrize("pasted", ["{}", " {}", '"{}"', "&{}", "x&{}", "a {} b", "?next={}", "%20{}", "?{}", "%3F{}"])
def test_a_token_is_hidden_however_its_link_was_pasted(pasted: str) -> None:
    address = "/invitations" if pasted.startswith(("?{", "%3F")) else "/invitations/"
    token, line = (
        secrets.token_urlsafe(32),
        'event="Not Found: {}{}" request_id=0123456789abcdef0123456789abcdef',
    )
    hidden = hide_secrets(None, "", line.format(address, pasted.format(token)))
    assert token not in hidden
    assert f"{address}***" in hidden or f"{address}{pasted.partition('{')[0]}***" in hidden
    assert hidden.endswith(" request_id=0123456789abcdef0123456789abcdef")


def test_a_long_address_is_looked_through_in_no_time() -> None:
    line = "/invitations/x&" + "a" * 1_000_000
    begun = time.perf_counter()
    assert hide_secrets(None, "", line) == f"/invitations/***&{'a' * 1_000_000}"
    assert time.perf_counter() - begun < 10


def test_what_stands_before_an_invitation_or_in_other_lines_is_kept() -> None:
    for line in (f"GET /launches/{'A' * 30}", f"{'A' * 30} GET /members/invitations/7/revoke", f"{'A' * 30} x"):
        assert hide_secrets(None, "", line) == line
