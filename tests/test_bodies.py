"""What is larger than the limit is refused before Django keeps any of it."""

from __future__ import annotations

import asyncio
import html
import json
import socket
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync

from config.bodies import MAX_BODY, Message
from tests.launches.gateway_parts import front_door
from tests.waiting import wait_for
from wire.status import CUT_OFF

SENTENCE = "The request is larger than 8 MiB, the limit. Send less."
CHUNK = b" " * (1024 * 1024)


async def posted(
    chunks: int, headers: list[tuple[bytes, bytes]], path: str = "/theme"
) -> tuple[int, dict[str, str], str]:
    """Status, headers and body of the answer to a body of so many MiB, sent in pieces."""
    from config.asgi import application

    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
        "root_path": "", "scheme": "http", "http_version": "1.1", "asgi": {"version": "3.0"},
        "headers": [(b"host", b"localhost"), *headers], "server": ("localhost", 80), "client": ("127.0.0.1", 1),
    }  # fmt: skip
    pieces = iter(range(chunks))
    answer: list[Message] = []

    async def receive() -> Message:
        number = next(pieces, None)
        if number is None:
            await asyncio.Event().wait()  # the client stays
        return {"type": "http.request", "body": CHUNK, "more_body": number != chunks - 1}

    async def send(message: Message) -> None:
        answer.append(message)

    await asyncio.wait_for(application(scope, receive, send), 20)
    named = {name.decode().lower(): value.decode() for name, value in answer[0]["headers"]}
    return answer[0]["status"], named, answer[1]["body"].decode()


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/publish/import", "/v1/accounts/team-a/trainingShapes"])
@pytest.mark.parametrize(
    ("chunks", "headers"),
    [(1, [(b"content-length", str(MAX_BODY + 1).encode())]), (1, [(b"content-length", b"9" * 400)]), (9, [])],
    ids=["announced", "announced beyond numbers", "in pieces"],
)
def test_a_body_over_the_limit_is_answered_in_words(chunks: int, headers: list[tuple[bytes, bytes]], path: str) -> None:
    status, answered, body = async_to_sync(posted)(chunks, headers, path)
    assert status == 413
    assert "x-request-id" in answered and "default-src 'none'" in answered["content-security-policy"]
    if path.startswith("/v1"):
        assert (answered["content-type"], json.loads(body)["message"]) == ("application/json", SENTENCE)
    else:
        assert answered["content-type"] == "text/html; charset=utf-8"
        assert f'<p class="page-lead">{SENTENCE}' in html.unescape(body)


BROKEN = [b"zz\r\nabc", b"3\r\nabc\r\nzz\r\n", b"3\r\nabc\r\n"]


@pytest.mark.django_db(transaction=True)
def test_a_body_that_breaks_off_is_answered_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SLIPWAY_DEBUG", "true")  # serves pages without their files collected first
    log = tmp_path / "log"
    with front_door(log=log) as port:
        for sent in BROKEN:
            head, body = _answered(port, "/v1/accounts/team-a/trainingShapes", sent)
            assert (head.partition("\r\n")[0], json.loads(body)["code"]) == ("HTTP/1.1 400 Bad Request", 3)
            assert json.loads(body)["message"] == CUT_OFF
            head, _ = _answered(port, "/training/v1/rlorTrainerJobs/team-a/job", sent)
            assert head.startswith("HTTP/1.1 401 ")
            head, body = _answered(port, "/sign-in", sent)
            assert head.startswith("HTTP/1.1 400 ") and "x-request-id" in head.lower() and "<h1" in body
        wait_for(lambda: log.read_text().count("path=/sign-in status=400") == len(BROKEN))


def _answered(port: int, path: str, sent: bytes) -> tuple[str, str]:
    """Head and body of the answer to a body in chunks, of which nothing more comes."""
    with socket.create_connection(("127.0.0.1", port), 20) as caller:
        caller.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + sent)
        caller.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: caller.recv(65_536), b"")).decode()
    head, _, body = answer.partition("\r\n\r\n")
    return head, body


@pytest.mark.django_db
def test_a_body_within_the_limit_reaches_django() -> None:
    status, *_ = async_to_sync(posted)(8, [(b"content-type", b"application/octet-stream")])
    assert status == 403  # it has no CSRF token
