"""The access log: a line for every request, and no secret in any of them."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from pytest_django.fixtures import Settings

from config.access import logged
from config.logs import hide_secrets
from wire.client_address import read_networks


def line_of(caplog: pytest.LogCaptureFixture, *, fails: bool = False, **said: Any) -> Mapping[str, Any]:
    """The fields of the line that a request leaves."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert scope["slipway.request_id"]
        if fails:
            raise RuntimeError
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b"no", "more_body": True})
        await send({"type": "http.response.body", "body": b"thing"})

    async def nothing(*_: Any) -> Any: ...

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "client": ("192.0.2.1", 4711)} | said
    with caplog.at_level(logging.INFO, "access"):
        try:
            async_to_sync(logged(application))(scope, nothing, nothing)
        except RuntimeError:
            assert fails
    (record,) = [record for record in caplog.records if record.name == "access"]
    assert isinstance(record.msg, Mapping)
    return record.msg


def test_a_line_says_who_asked_for_what_and_what_came_of_it(caplog: pytest.LogCaptureFixture) -> None:
    line = line_of(caplog, path="/launches", query_string=b"q=private", headers=[(b"user-agent", b"curl/8")])
    assert {name: line[name] for name in ("method", "path", "status", "bytes", "address", "agent")} == {
        "method": "GET",
        "path": "/launches",
        "status": 404,
        "bytes": 7,
        "address": "192.0.2.1",
        "agent": "curl/8",
    }
    assert len(line["request_id"]) == 32
    assert "private" not in str(line)


def test_a_request_that_broke_has_its_line(caplog: pytest.LogCaptureFixture) -> None:
    assert line_of(caplog, fails=True)["status"] == 0


def test_a_line_stays_one_line(caplog: pytest.LogCaptureFixture) -> None:
    line = line_of(caplog, path="/a\nlevel=info\x1b[2J", headers=[(b"user-agent", b"a\r\nb\x9b")])
    assert (line["path"], line["agent"]) == ("/a?level=info?[2J", "a??b?")


def test_the_address_is_the_one_that_the_rule_finds(caplog: pytest.LogCaptureFixture, settings: Settings) -> None:
    settings.SLIPWAY_PROXIES = read_networks("192.0.2.1")
    forwarded = [(b"X-Forwarded-For", b"198.51.100.66, 203.0.113.9")]
    assert line_of(caplog, headers=forwarded)["address"] == "203.0.113.9"


def test_a_key_in_an_address_is_hidden() -> None:
    secret = f"slpw_{secrets.token_urlsafe(32)}"
    hidden = hide_secrets(None, "", f"path=/v1/{secret}/x agent={secret}")
    assert hidden == "path=/v1/slpw_***/x agent=slpw_***"
    assert hide_secrets(None, "", "the key slpw_abcdef") == "the key slpw_abcdef"
