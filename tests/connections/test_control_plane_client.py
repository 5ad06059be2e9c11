"""Requests over real sockets to servers that answer anything."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from connections.providers.attempts import Observation, Reference
from connections.providers.control_plane import client as client_module
from connections.providers.control_plane import exchange, readiness
from connections.providers.control_plane.account import AccountThere
from connections.providers.control_plane.client import ControlPlaneClient
from connections.providers.control_plane.jobs import Catalogs
from connections.providers.control_plane.names import remote_id
from connections.providers.control_plane.provider import ControlPlaneProvider
from connections.providers.control_plane.refusals import (
    FINAL_FOR_A_SUBMISSION,
    REMEDIES,
    Obstacle,
    RemoteRefusal,
    refusal,
)
from connections.providers.errors import Retryable, SecretRefused, Unreachable
from tests.certificates import make_certificate
from wire.client_address import read_networks
from wire.errors import Violation
from wire.status import Code, status_body

LOOPBACK = read_networks("127.0.0.0/8")
Play = Callable[[socket.socket, str], None]


@contextlib.contextmanager
def server(
    play: Play, wrap: Callable[[socket.socket], socket.socket] = lambda connection: connection
) -> Iterator[tuple[str, list[str]]]:
    """An address at which each connection, wrapped, is played with, and the requests' heads."""
    heads: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=one, args=(connection,), daemon=True).start()

        def one(plain: socket.socket) -> None:
            with plain, contextlib.suppress(OSError), wrap(plain) as connection:
                heads.append(received(connection))
                play(connection, heads[-1])

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heads
        listener.shutdown(socket.SHUT_RDWR)


def received(connection: socket.socket) -> str:
    """A request, whole."""
    text = ""
    while "\r\n\r\n" not in text or len(text.partition("\r\n\r\n")[2]) < announced(text):
        text += connection.recv(65536).decode("latin-1")
    return text


def announced(head: str) -> int:
    """Bytes of the body."""
    return int(head.partition("Content-Length: ")[2].partition("\r\n")[0] or 0)


def answering(body: bytes, status: str = "200 OK", fields: str = "", length: int | None = None) -> Play:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body) if length is None else length}\r\n{fields}\r\n"
    return lambda connection, _: connection.sendall(head.encode() + body)


def called(play: Play, *, patience: float = 5.0, **more: Any) -> Any:
    with server(play) as (url, _):
        return ControlPlaneClient(url, "key", LOOPBACK, patience=patience, **more).call("GET", "/v1/accounts")


def dripping(connection: socket.socket, _: str) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        connection.sendall(b" ")
        time.sleep(0.02)


def dripping_head(connection: socket.socket, _: str) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.02)


def silent(connection: socket.socket, _: str) -> None:
    connection.recv(1)


def test_sends_the_key_and_what_is_asked() -> None:
    with server(answering(b'{"accounts": []}')) as (url, heads):
        client = ControlPlaneClient(url, "fw_secret", LOOPBACK)
        client.call("POST", "/v1/accounts/a/rlorTrainerJobs/b:cancel", {"filter": 'state!="X"'}, {"a": 1})
    (head,) = heads
    assert head.startswith("POST /v1/accounts/a/rlorTrainerJobs/b:cancel?filter=state%21%3D%22X%22 HTTP/1.1\r\n")
    assert "\r\nx-api-key: fw_secret\r\n" in head.replace("X-Api-Key", "x-api-key")
    assert "\r\nAuthorization: Bearer fw_secret\r\n" in head
    assert f"host: {url.removeprefix('http://')}\r\n" in head.replace("Host", "host")
    assert head.endswith('{"a": 1}')
    assert "fw_secret" not in repr(client)


@pytest.mark.parametrize(
    "play",
    [
        answering(b"<html>Please sign in</html>"),
        answering(b"[" * 200_000),
        answering(b'{"a": ' * 200_000),
        answering(b"[]"),
        answering(b'"text"'),
        answering(b"\xff\xfe"),
        answering(b'{"accounts": [', length=500),
        answering(b"{", fields="Transfer-Encoding: chunked\r\n"),
        lambda connection, _: connection.sendall(b"SSH-2.0-OpenSSH\r\n"),
        lambda connection, _: connection.close(),
    ],
)
def test_what_is_no_answer_is_tried_again(play: Play) -> None:
    with pytest.raises(Unreachable) as caught:
        called(play)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("play", [silent, dripping, dripping_head])
def test_waits_so_long_and_no_longer(play: Play) -> None:
    began = time.monotonic()
    with pytest.raises(Unreachable, match=r"did not answer within 0\.3 s"):
        called(play, patience=0.3)
    assert time.monotonic() - began < 20


def test_takes_so_much_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "MOST_BYTES", 2 * 1024 * 1024)
    with pytest.raises(Unreachable, match="more than 2 MiB"):
        called(answering(b'{"a": "' + b"x" * 3 * 1024 * 1024 + b'"}'))


def test_follows_no_redirection() -> None:
    with server(answering(b"{}")) as (elsewhere, heads):
        with pytest.raises(RemoteRefusal, match="302"):
            called(answering(b"", "302 Found", f"Location: {elsewhere}/\r\n"))
        assert heads == []


def test_reads_pages_and_no_list_without_end() -> None:
    def page(connection: socket.socket, head: str) -> None:
        token = head.partition("pageToken=")[2][:1] or "0"
        rows = [{"name": f"row-{token}"}, "no object"]
        following = "" if token == "2" else str(int(token) + 1)
        answering(json.dumps({"rows": rows, "nextPageToken": following}).encode())(connection, head)

    with server(page) as (url, heads):
        names = [row["name"] for row in ControlPlaneClient(url, "key", LOOPBACK).pages("/v1/x", "rows")]
        assert names == ["row-0", "row-1", "row-2"]
        assert all("pageSize=200" in head for head in heads)
    with server(answering(b'{"rows": [{}], "nextPageToken": "again"}')) as (url, heads):
        assert len(list(ControlPlaneClient(url, "key", LOOPBACK).pages("/v1/x", "rows"))) == 2


def test_a_thousand_cost_no_more_than_their_list(monkeypatch: pytest.MonkeyPatch) -> None:
    references = [Reference("team-a", f"job-{number}", 1) for number in range(210)]
    jobs = [
        {"name": f"accounts/a/rlorTrainerJobs/{remote_id('i', one.account, one.job)}", "state": "JOB_STATE_RUNNING"}
        for one in references
    ]

    def play(connection: socket.socket, head: str) -> None:
        if "healthz" in head:
            return answering(b"ok")(connection, head)
        page = jobs[200:] if "pageToken=2" in head else jobs[:200]
        token = "" if "pageToken" in head else "2"
        answering(json.dumps({"rlorTrainerJobs": page, "nextPageToken": token}).encode())(connection, head)

    with server(play) as (url, heads):
        account = AccountThere(ControlPlaneClient(url, "key", LOOPBACK), "i", "a")
        provider = ControlPlaneProvider(account, Catalogs({}))
        seen = provider.observe_many(references)
        assert all(isinstance(one, Observation) and one.ready for one in seen.values())
        assert len(seen) == len(references)
        assert len(heads) == 2 + len(references), "each is asked once whether it answers"
        heads.clear()
        assert len(provider.observe_many(references)) == len(references)
        assert len(heads) == 2
        monkeypatch.setattr(readiness, "AGAIN_SECONDS", 0.0)
        provider.observe_many(references)
        assert len(heads) == 4 + readiness.AGAIN_AT_A_TIME
        heads.clear()
        another = ControlPlaneProvider(account, Catalogs({}))  # of a worker that begins, told what is known
        another.recall(references)
        assert all(isinstance(one, Observation) and one.ready for one in another.observe_many(references).values())
        assert len(heads) == 2 + readiness.AGAIN_AT_A_TIME


def test_a_healthz_answers_or_not() -> None:
    def asked(play: Play) -> bool | None:
        with server(play) as (url, _):
            return ControlPlaneClient(url, "key", LOOPBACK, patience=0.3).answers("/healthz")

    assert asked(answering(b"ok")) is True
    assert asked(answering(b"", "503 Unavailable")) is False
    assert asked(answering(b"", "429 Too Many Requests")) is None
    assert asked(silent) is False


def test_goes_nowhere_that_is_not_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(answering(b"{}")) as (url, heads):
        with pytest.raises(Retryable, match="SLIPWAY_CONNECTION_NETWORKS"):
            ControlPlaneClient(url, "key").call("GET", "/v1/accounts")
        assert heads == []
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in ("10.0.0.1", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(Retryable, match=r"rebound\.example is at 10\.0\.0\.1"):
        ControlPlaneClient("https://rebound.example", "key").call("GET", "/v1/accounts")
    with pytest.raises(Retryable, match="this machine's own addresses"):
        ControlPlaneClient("http://rebound.example", "key", read_networks("10.0.0.0/8")).call("GET", "/v1/accounts")


def test_resolves_once_and_keeps_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved: list[str] = []
    with server(answering(b"{}")) as (url, heads):
        port = int(url.rpartition(":")[2])

        def resolve(host: str, *_: Any, **__: Any) -> list[Any]:
            resolved.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        ControlPlaneClient(f"http://localhost:{port}", "key", LOOPBACK).call("GET", "/v1/accounts")
    assert [host for host in resolved if host == "localhost"] == ["localhost"]
    assert f"localhost:{port}" in heads[0]


def test_tls_is_for_the_name_and_for_who_is_believed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []
    certificate = make_certificate("there.example", tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _socket, name, _context: asked.append(name)

    with server(answering(b'{"a": 1}'), wrap=partial(context.wrap_socket, server_side=True)) as (url, heads):
        port = int(url.rpartition(":")[2])
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
            ControlPlaneClient(f"https://there.example:{port}", "key", LOOPBACK).call("GET", "/v1/accounts")
        assert heads == []

        believing = ssl.create_default_context(cafile=str(certificate))
        monkeypatch.setattr(exchange, "tls_context", lambda: believing)
        assert ControlPlaneClient(f"https://there.example:{port}", "key", LOOPBACK).call("GET", "/v1/x") == {"a": 1}
        with pytest.raises(Unreachable, match=r"other\.example"):
            ControlPlaneClient(f"https://other.example:{port}", "key", LOOPBACK).call("GET", "/v1/accounts")
    assert asked == ["there.example", "there.example", "other.example"]
    assert len(heads) == 1


def test_a_key_that_cannot_be_sent_is_not_told() -> None:
    for secret in ("se\ncret", "sëcret"):
        with pytest.raises(Retryable) as caught:
            ControlPlaneClient("http://127.0.0.1:1", secret, LOOPBACK).call("GET", "/v1/accounts")
        assert "cret" not in str(caught.value)


def test_nobody_there_is_said_in_words() -> None:
    with pytest.raises(Unreachable, match=r"^127\.0\.0\.1:1 cannot be reached: Connection refused\.$"):
        ControlPlaneClient("http://127.0.0.1:1", "key", LOOPBACK).call("GET", "/v1/accounts")


INFO = "type.googleapis.com/google.rpc.ErrorInfo"


@pytest.mark.parametrize(
    ("status", "body", "obstacle"),
    [
        (400, status_body(Code.INVALID_ARGUMENT, "No.", violations=[Violation("loraRank", "Use 8.")]), Obstacle.INPUT),
        (400, status_body(Code.FAILED_PRECONDITION, "No.", reason="TRAINING_SHAPE_NOT_VALIDATED"), Obstacle.SHAPE),
        (400, {"code": 8, "message": "No."}, Obstacle.CAPACITY),
        (401, None, Obstacle.KEY),
        (402, {}, Obstacle.SPENDING_LIMIT),
        (403, status_body(Code.PERMISSION_DENIED, "No."), Obstacle.PERMISSION),
        (404, status_body(Code.NOT_FOUND, "No."), Obstacle.MISSING),
        (409, {"code": 6, "message": "quota capacity permission"}, Obstacle.CONFLICT),
        (412, {"code": 9, "message": "No."}, Obstacle.SHAPE),
        (429, {"code": 8, "message": "No."}, Obstacle.QUOTA),
        (429, status_body(Code.RESOURCE_EXHAUSTED, "No."), Obstacle.CAPACITY),
        (403, {"code": 7, "details": [{"@type": INFO, "reason": "BILLING_DISABLED"}]}, Obstacle.SPENDING_LIMIT),
        (408, None, Obstacle.PLATFORM),
        (500, {"code": 3, "message": "invalid argument"}, Obstacle.PLATFORM),
        (503, {"code": 8, "message": "No."}, Obstacle.CAPACITY),
        (503, None, Obstacle.PLATFORM),
        (302, None, Obstacle.PLATFORM),
        (418, {"code": [], "details": {"reason": 1}}, Obstacle.INPUT),
    ],
)
def test_refusals_are_sorted_by_reason_and_status(status: int, body: Any, obstacle: Obstacle) -> None:
    refused = refusal("there.example", status, body)
    assert refused.obstacle is obstacle
    assert str(refused).startswith(f"there.example refuses ({status}): ")
    assert REMEDIES[obstacle] in str(refused)
    assert refused.is_said == isinstance((body or {}).get("code"), int)


def test_a_key_that_may_not_even_look_is_not_taken() -> None:
    for status, body in (("401 Unauthorized", 16), ("403 Forbidden", 7)):
        with server(answering(json.dumps({"code": body, "message": "No."}).encode(), status)) as (url, _):
            there = AccountThere(ControlPlaneClient(url, "key", LOOPBACK), "i" * 10, "team")
            for look in (there.look, lambda there=there: list(there.under_way())):
                with pytest.raises(SecretRefused, match="No"):
                    look()


def test_every_trouble_has_a_remedy_and_only_what_lasts_is_final() -> None:
    assert set(REMEDIES) == set(Obstacle)
    assert {obstacle for obstacle in Obstacle if "tried again" not in REMEDIES[obstacle]} == FINAL_FOR_A_SUBMISSION


def test_the_other_sides_words_stay_and_hide_nothing() -> None:
    body = {"code": 3, "message": "First line\nsecond \u202eline.\x00", "details": []}
    assert "First line second line. Change" in str(refusal("h", 400, body))
    fields = [{"field": "a", "description": f"Use {number}."} for number in range(9)]
    long = {
        "code": 3,
        "message": "x" * 10_000,
        "details": [{"@type": "x/google.rpc.BadRequest", "fieldViolations": fields}],
    }
    assert len(str(refusal("h", 400, long))) < 1_000
    assert "Use 4." in str(refusal("h", 400, long))
