"""The gateway byte for byte: a real server in front, a scripted trainer behind, and both of them at their worst."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from connections.models import Connection
from connections.providers.states import AttemptState
from connections.sealing import seal
from launches.models import Attempt, Launch
from launches.tokens import trainer_token
from tests.launches.gateway_parts import (
    PATIENCE,
    Call,
    StandIn,
    Wire,
    answer_plainly,
    front_door,
    make_key,
    observe,
    prefix_of,
)
from wire.status import CUT_OFF

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.e2e]  # a web server of its own
MEGABYTE = 2**20


@pytest.fixture(scope="module")
def port(django_db_setup: None) -> Iterator[int]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SLIPWAY_CONNECTION_NETWORKS", "127.0.0.0/8")
        with front_door() as port:
            yield port


@dataclass
class Driver:
    """Somebody with a key who may control the launch."""

    port: int
    launch: Launch
    secret: str

    @property
    def prefix(self) -> str:
        return prefix_of(self.launch)

    def ask(self, method: str = "GET", path: str = "/api/v1/healthz", **options: object) -> httpx.Response:
        headers = {"X-Api-Key": self.secret, **options.pop("headers", {})}  # type: ignore[dict-item]
        url = f"http://127.0.0.1:{self.port}{self.prefix}{path}"
        return httpx.request(method, url, headers=headers, timeout=PATIENCE, **options)  # type: ignore[arg-type]

    def dial(self) -> Wire:
        return Wire(socket.create_connection(("127.0.0.1", self.port)))

    def write(self, line: str, *fields: str, body: bytes = b"") -> Wire:
        """Send a request as it stands, `line` being METHOD PATH below the job, on a connection of its own."""
        method, _, path = line.partition(" ")
        wire = self.dial()
        head = [f"{method} {self.prefix}{path} HTTP/1.1", "Host: slipway.test", f"X-Api-Key: {self.secret}", *fields]
        wire.send("\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body)
        return wire


@pytest.fixture
def caller(port: int, launch: Launch) -> Driver:
    return Driver(port, launch, make_key(launch.owner, launch.account))


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/healthz",
        "/api/v1/x?a=b%20c+d&a=%00&empty=",
        "/a%2Fb/c%2fd",
        "/../../other/./job",
        "/%2e%2e/%2E%2E/x",
        "//evil.example/x",
        "/http://evil.example/",
        "/@evil.example:80/x",
        "/;a=1,b=2/%F0%9F%92%A9/%ff",
        "/\\evil.example",
        "/?",
        "?only=query",
        "",
    ],
)
def test_what_stands_below_the_job_reaches_its_trainer_byte_for_byte(
    caller: Driver, trainer: StandIn, path: str
) -> None:
    answer = caller.write(f"GET {path}").until(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    expected = path if path.startswith("/") else f"/{path}"
    assert trainer.next_call().line == f"GET {expected.removesuffix('?')} HTTP/1.1".encode()


@pytest.mark.parametrize("form", ["http://evil.example{}", "http://evil.example:80{}", "http://user@evil.example{}"])
def test_an_address_in_the_request_line_leads_nowhere_else(caller: Driver, trainer: StandIn, form: str) -> None:
    wire = caller.dial()
    target = form.format(caller.prefix) + "/api/v1/healthz"
    wire.send(f"GET {target} HTTP/1.1\r\nHost: evil.example\r\nX-Api-Key: {caller.secret}\r\n\r\n".encode())
    wire.until(b"\r\n\r\n")
    call = trainer.next_call()
    assert call.line == b"GET /api/v1/healthz HTTP/1.1"
    assert call.values(b"host") == [f"127.0.0.1:{trainer.port}".encode()]


def test_the_trainer_learns_neither_who_calls_nor_with_what(caller: Driver, trainer: StandIn) -> None:
    caller.write(
        "GET /x",
        f"Authorization: Bearer {caller.secret}",
        "Cookie: sessionid=s3cret",
        "Connection: keep-alive, X-Listed",
        "X-Listed: no",
        "Keep-Alive: timeout=5",
        "Proxy-Authorization: Basic x",
        "TE: trailers",
        "Trailer: X-End",
        "Upgrade: h2c",
        "Forwarded: for=1.2.3.4",
        "X-Forwarded-For: 1.2.3.4",
        "X-Forwarded-Host: evil.example",
        "X-Real-IP: 1.2.3.4",
        "X-Idempotency-Key: kept",
        "Accept-Encoding: gzip",
        "X-Twice: 1",
        "X-Twice: 2",
    ).until(b"\r\n\r\n")
    fields = trainer.next_call().fields
    assert sorted(fields) == sorted(
        [
            (b"host", f"127.0.0.1:{trainer.port}".encode()),
            (b"x-api-key", trainer_token(caller.launch).encode()),
            (b"x-idempotency-key", b"kept"),
            (b"accept-encoding", b"gzip"),
            (b"x-twice", b"1"),
            (b"x-twice", b"2"),
        ]
    )


def test_an_answer_gets_no_say_over_slipways_address(caller: Driver, trainer: StandIn) -> None:
    trainer.script = lambda call: call.answer(
        b"{}",
        b"Server: trainer/1",
        b"Set-Cookie: sessionid=stolen",
        b"Connection: X-Listed",
        b"X-Listed: no",
        b"Keep-Alive: timeout=1",
        b"X-Accel-Redirect: /etc/passwd",
        b"X-Sendfile: /etc/passwd",
        b"Access-Control-Allow-Origin: *",
        b"Clear-Site-Data: *",
        b"Content-Type: application/json",
        b"X-Step: 7",
    )
    answer = caller.ask()
    assert answer.json() == {}
    assert set(answer.headers) == {
        "content-length",
        "content-security-policy",
        "content-type",
        "date",
        "server",
        "x-content-type-options",
        "x-request-id",
        "x-step",
    }
    assert "trainer" not in answer.headers["server"]
    assert "sandbox" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("location", "seen"),
    [
        ("http://127.0.0.1:{port}/api/v1/x?y", "{prefix}/api/v1/x?y"),
        ("/api/v1/x", "{prefix}/api/v1/x"),
        ("https://evil.example/", None),
        ("//evil.example/", None),
        ("http://127.0.0.1:{port}//evil.example/", None),
        ("http://127.0.0.1:{port}@evil.example/", None),
    ],
)
def test_a_redirection_stays_with_the_trainer(
    caller: Driver, trainer: StandIn, location: str, seen: str | None
) -> None:
    told = location.format(port=trainer.port).encode()
    trainer.script = lambda call: call.answer(b"", b"Location: " + told, status=b"307 Temporary Redirect")
    answer = caller.ask()
    assert answer.status_code == 307
    assert answer.headers.get("location") == (seen and seen.format(prefix=caller.prefix))


def test_bodies_pass_both_ways_with_the_length_that_they_have(caller: Driver, trainer: StandIn) -> None:
    body = bytes(range(256)) * 8192
    trainer.script = lambda call: call.answer(call.body())
    answer = caller.ask("POST", "/api/v1/forward", content=body)
    assert answer.content == body
    assert answer.headers["content-length"] == str(len(body))
    call = trainer.next_call()
    assert call.values(b"content-length") == [str(len(body)).encode()]
    assert call.values(b"transfer-encoding") == []


def test_a_chunked_body_stays_chunked(caller: Driver, trainer: StandIn) -> None:
    trainer.script = lambda call: call.answer(call.body())
    wire = caller.write("POST /x", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n")
    wire.until(b"\r\n\r\n")
    assert wire.exactly(6) == b"hello!"
    assert trainer.next_call().values(b"transfer-encoding") == [b"chunked"]


def test_a_body_framed_in_two_ways_is_passed_on_in_one(caller: Driver, trainer: StandIn) -> None:
    """The chunks count (RFC 9112, 6.3), so nothing of the body can pass for a request of its own."""
    trainer.script = lambda call: call.answer(call.body())
    wire = caller.write("POST /x", "Content-Length: 3", "Transfer-Encoding: chunked", body=b"6\r\nGET /y\r\n0\r\n\r\n")
    head = wire.until(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 400 "):
        assert trainer.calls.empty()
        return
    assert wire.exactly(6) == b"GET /y"
    call = trainer.next_call()
    assert len(call.values(b"content-length") + call.values(b"transfer-encoding")) == 1
    assert trainer.calls.empty()


def test_an_answer_framed_in_two_ways_is_passed_on_in_one(caller: Driver, trainer: StandIn) -> None:
    trainer.script = lambda call: call.wire.send(
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n"
    )
    assert caller.ask().text == "whole"


def test_an_answer_without_a_length_comes_as_it_is_written(caller: Driver, trainer: StandIn) -> None:
    more = threading.Event()

    def script(call: Call) -> None:
        call.wire.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        more.wait(PATIENCE)
        call.wire.send(b"3\r\none\r\n")
        more.clear()
        more.wait(PATIENCE)
        call.wire.send(b"3\r\ntwo\r\n0\r\n\r\n")

    trainer.script = script
    wire = caller.write("GET /x")
    assert b"transfer-encoding: chunked" in wire.until(b"\r\n\r\n"), "the status comes before any of the body"
    more.set()
    assert wire.until(b"one\r\n") == b"3\r\none\r\n", "and each piece before the next is there"
    more.set()
    assert wire.until(b"0\r\n\r\n") == b"3\r\ntwo\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("method", "status", "fields", "length"),
    [
        ("HEAD", b"200 OK", b"content-length: 1234\r\n", b"1234"),
        ("GET", b"204 No Content", b"", None),
        ("GET", b"304 Not Modified", b"etag: x\r\n", None),
        ("POST", b"200 OK", b"content-length: 0\r\n", b"0"),
    ],
)
def test_an_answer_without_a_body_has_none(
    caller: Driver, trainer: StandIn, method: str, status: bytes, fields: bytes, length: bytes | None
) -> None:
    trainer.script = lambda call: call.wire.send(b"HTTP/1.1 " + status + b"\r\n" + fields + b"\r\n")
    wire = caller.write(f"{method} /x", "Connection: close")
    answer = wire.rest()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status)
    assert body == b""
    assert (b"content-length: " + length in head) if length is not None else (b"content-length" not in head)
    trainer.script = answer_plainly
    assert caller.ask().text == "0 bytes", "and the connection to the trainer is in step"
    trainer.next_call()
    assert trainer.next_call().line == b"GET /api/v1/healthz HTTP/1.1"


def test_interim_answers_are_not_the_answer(caller: Driver, trainer: StandIn) -> None:
    def script(call: Call) -> None:
        call.wire.send(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")
        call.answer(b"real")

    trainer.script = script
    assert caller.ask().text == "real"


def test_connections_to_the_trainer_are_used_again(caller: Driver, trainer: StandIn) -> None:
    for _ in range(10):
        assert caller.ask("POST", "/x", content=b"abc").text == "3 bytes"
    assert trainer.connections == 1


def test_a_trainer_that_closes_after_each_answer_is_dialled_anew(caller: Driver, trainer: StandIn) -> None:
    def script(call: Call) -> None:
        call.answer(b"bye", b"connection: close")
        call.wire.close()

    trainer.script = script
    assert [caller.ask().text for _ in range(3)] == ["bye"] * 3
    assert trainer.connections == 3


@pytest.mark.parametrize(("method", "status", "calls"), [("GET", 200, 3), ("POST", 502, 2)])
def test_only_what_can_do_no_harm_is_asked_again_on_a_connection_that_broke(
    caller: Driver, trainer: StandIn, method: str, status: int, calls: int
) -> None:
    """The trainer takes the second request of a connection and hangs up: had it done the work or not?"""

    def script(call: Call) -> None:
        if call.connection == 1 and trainer.calls.qsize() > 1:
            call.wire.close()
            raise EOFError
        answer_plainly(call)

    trainer.script = script
    assert caller.ask().status_code == 200
    options = {"content": b"x"} if method == "POST" else {}
    assert caller.ask(method, "/x", **options).status_code == status
    assert trainer.calls.qsize() == calls


@pytest.mark.parametrize(
    "part",
    [
        b"content-length: 100\r\n\r\nonly this",
        b"transfer-encoding: chunked\r\n\r\n9\r\nonly this\r\n",
        b"transfer-encoding: chunked\r\n\r\n9\r\nonly",
        b"transfer-encoding: chunked\r\n\r\n9\r\nonly this\r\nnonsense\r\n",
    ],
)
def test_an_answer_that_breaks_off_breaks_off_for_the_caller(caller: Driver, trainer: StandIn, part: bytes) -> None:
    def script(call: Call) -> None:
        call.wire.send(b"HTTP/1.1 200 OK\r\n" + part)
        call.wire.close()

    trainer.script = script
    with pytest.raises(httpx.RemoteProtocolError):
        caller.ask()


@pytest.mark.parametrize(
    "said",
    [b"", b"HTTP/1.1 200", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", b"x" * MEGABYTE],
)
def test_no_answer_is_a_502_that_can_be_repeated(caller: Driver, trainer: StandIn, said: bytes) -> None:
    def script(call: Call) -> None:
        call.wire.send(said)
        call.wire.close()

    trainer.script = script
    answer = caller.ask("POST", "/x", content=b"{}")
    assert answer.status_code == 502
    assert (answer.json()["code"], answer.json()["details"][0]["reason"]) == (14, "UNAVAILABLE")
    assert str(trainer.port) not in answer.text


def test_an_answer_before_the_body_was_read_arrives(caller: Driver, trainer: StandIn) -> None:
    def script(call: Call) -> None:
        call.answer(b"too large", b"connection: close", status=b"413 Payload Too Large")
        call.wire.close()
        raise EOFError

    trainer.script = script
    wire = caller.write("POST /x", f"Content-Length: {64 * MEGABYTE}", body=b"x" * MEGABYTE)
    head = wire.until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ")
    assert wire.exactly(9) == b"too large"


@pytest.mark.parametrize(
    ("fields", "body", "closes"),
    [
        (["Content-Length: 1048576"], b"the first of it", True),
        (["Transfer-Encoding: chunked"], b"5\r\nhello\r\n", True),
        (["Content-Length: 0"], b"", False),
        ([], b"", False),
    ],
)
def test_a_refusal_says_that_it_does_not_wait_for_the_body(
    caller: Driver, fields: list[str], body: bytes, closes: bool
) -> None:
    caller.secret = "none"
    wire = caller.write("POST /x", *fields, body=body)
    head = wire.until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 401 ")
    assert (b"connection: close" in head.lower()) == closes
    if not closes:
        wire.send(f"GET {caller.prefix}/x HTTP/1.1\r\nHost: slipway.test\r\n\r\n".encode())
        assert b"HTTP/1.1 401 " in wire.until(b"\r\n\r\n"), "the connection serves on"


def test_an_answer_before_the_body_was_read_says_that_the_connection_is_over(caller: Driver, trainer: StandIn) -> None:
    def script(call: Call) -> None:
        call.answer(b"too large", status=b"413 Payload Too Large")
        call.over.wait(PATIENCE)

    trainer.script = script
    wire = caller.write("POST /x", "Content-Length: 1048576", body=b"the first of it")
    assert b"connection: close" in wire.until(b"\r\n\r\n").lower()
    trainer.next_call().over.set()


@pytest.mark.parametrize("sent", [b"zz\r\nabc", b"3\r\nabc\r\nzz\r\n"])
def test_a_caller_whose_chunks_are_not_well_formed_is_told_so(caller: Driver, trainer: StandIn, sent: bytes) -> None:
    def script(call: Call) -> None:
        call.wire.ends()  # and says nothing before

    trainer.script = script
    wire = caller.write("POST /x", "Transfer-Encoding: chunked", body=sent)
    assert wire.until(b"\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    told = json.loads(wire.rest())
    assert (told["code"], told["message"]) == (3, CUT_OFF)


def test_a_caller_that_hangs_up_takes_its_request_along(caller: Driver, trainer: StandIn) -> None:
    ended = threading.Event()

    def script(call: Call) -> None:
        call.body()
        if call.wire.ends():
            ended.set()

    trainer.script = script
    wire = caller.write("POST /api/v1/retrieve_future", "Content-Length: 2", body=b"{}")
    trainer.next_call()
    wire.close()
    assert ended.wait(PATIENCE)


def test_a_caller_that_hangs_up_while_the_answer_comes_ends_it(caller: Driver, trainer: StandIn) -> None:
    ended = threading.Event()

    def script(call: Call) -> None:
        call.wire.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
        if call.wire.ends():
            ended.set()

    trainer.script = script
    wire = caller.write("GET /x")
    wire.until(b"one\r\n")
    wire.close()
    assert ended.wait(PATIENCE)


def test_a_body_that_breaks_off_is_never_passed_on_as_whole(caller: Driver, trainer: StandIn) -> None:
    outcome: list[bytes] = []
    ended = threading.Event()

    def script(call: Call) -> None:
        outcome.append(call.wire.rest())
        ended.set()

    trainer.script = script
    wire = caller.write("POST /x", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n")
    trainer.next_call()
    wire.close()
    assert ended.wait(PATIENCE)
    assert b"0\r\n\r\n" not in outcome[0]


def test_a_caller_that_reads_nothing_stops_the_trainer_from_writing(caller: Driver, trainer: StandIn) -> None:
    """Back-pressure: what is under way fits into the sockets' buffers and the gateway's, not into its memory."""
    written, total = [0], 256 * MEGABYTE

    def script(call: Call) -> None:
        call.wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % total)
        call.wire.patience(1)
        while written[0] < total:
            call.wire.send(bytes(MEGABYTE))
            written[0] += MEGABYTE

    trainer.script = script
    wire = caller.write("GET /big")
    call = trainer.next_call()
    wire.until(b"\r\n\r\n")
    assert call.over.wait(PATIENCE)
    assert written[0] < 64 * MEGABYTE


def test_a_trainer_that_reads_nothing_stops_the_caller_from_writing(caller: Driver, trainer: StandIn) -> None:
    trainer.script = lambda call: threading.Event().wait(PATIENCE)  # type: ignore[assignment]
    wire = caller.write("POST /x", f"Content-Length: {256 * MEGABYTE}")
    wire.patience(1)
    sent = 0
    with pytest.raises(TimeoutError):
        while sent < 256 * MEGABYTE:
            wire.send(bytes(MEGABYTE))
            sent += MEGABYTE
    assert sent < 64 * MEGABYTE


@pytest.mark.parametrize("line", ["TRACE /x", "FOO /x"])
def test_other_methods_are_refused(caller: Driver, trainer: StandIn, line: str) -> None:
    wire = caller.write(line)
    assert wire.until(b"\r\n").startswith(b"HTTP/1.1 501 ")
    assert trainer.calls.empty()


def test_a_websocket_is_not_opened(caller: Driver, trainer: StandIn) -> None:
    wire = caller.write(
        "GET /ws",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    assert wire.until(b"\r\n").startswith(b"HTTP/1.1 403 ")
    assert trainer.calls.empty()


def test_whoever_refuses_the_launchs_token_is_not_its_trainer(caller: Driver, trainer: StandIn) -> None:
    trainer.script = lambda call: call.answer(b"who are you?", status=b"401 Unauthorized")
    answer = caller.ask()
    assert answer.status_code == 502
    assert "who are you" not in answer.text
    assert "under another SLIPWAY_SECRET_KEY" in answer.text and "cancel the launch and resume it" in answer.text


def far_from(launch: Launch) -> Launch:
    """The launch, as one that another control plane runs."""
    config = {"url": Attempt.objects.get(launch=launch).endpoint}
    far = Connection.objects.create(
        name="far", kind="control_plane", display_name="Far", config=config, secret=seal("far-key")
    )
    launch.connection = far
    launch.save(update_fields=["connection"])
    return launch


def test_who_refuses_the_connections_key_is_not_said_to_refuse_the_callers(caller: Driver, trainer: StandIn) -> None:
    far_from(caller.launch)
    trainer.script = lambda call: call.answer(b"who are you?", status=b"401 Unauthorized")
    answer = caller.ask()
    assert (answer.status_code, answer.json()["code"]) == (502, 14)
    assert "Far, where the trainer of" in answer.text and "does not accept the key that Slipway shows" in answer.text
    assert "who are you" not in answer.text and "far-key" not in answer.text


def test_the_connections_key_goes_to_the_address_that_it_is_for(caller: Driver, trainer: StandIn) -> None:
    far_from(caller.launch)
    Connection.objects.filter(name="far").update(config={"url": "http://127.0.0.1:1"})
    answer = caller.ask()
    assert (answer.status_code, "at another address than its connection has now" in answer.text) == (503, True)
    assert trainer.calls.empty()


@pytest.mark.parametrize("beside", [False, True], ids=["their own loop", "a recipe of ours beside it"])
def test_load_calls_elsewhere_name_jobs_by_their_ids_there(caller: Driver, trainer: StandIn, *, beside: bool) -> None:
    launch = far_from(caller.launch)
    launch.spec["recipe_beside"] = beside
    launch.save(update_fields=["spec"])
    Attempt.objects.filter(launch=caller.launch).update(remote_id="s1-there")
    trainer.script = lambda call: call.answer(call.body())
    raw = json.dumps({"path": f"cross_job://{caller.launch.job_id}/step-1"}, indent=1).encode()
    loaded = caller.ask("POST", "/api/v1/load_weights", content=raw)
    assert (loaded.status_code, loaded.json()) == (200, {"path": "cross_job://s1-there/step-1"})
    assert caller.ask("POST", "/api/v1/save_weights", content=raw).content == raw
    refused = caller.ask("POST", "/api/v1/load_weights", json={"path": "cross_job://theirs/step-1"})
    assert (refused.status_code, refused.json()["code"]) == (404, 5)
    led_out = caller.ask(path="/..%2fothers")
    assert (led_out.status_code, led_out.json()["code"]) == (400, 3)


def test_a_trainer_that_died_is_a_502_and_one_that_came_back_elsewhere_is_found(
    caller: Driver, trainer: StandIn
) -> None:
    assert caller.ask().status_code == 200
    trainer.close()
    reborn = StandIn()
    observe(caller.launch, AttemptState.RUNNING, endpoint=reborn.endpoint)
    assert caller.ask("POST", "/x", content=b"four").text == "4 bytes", "at once, whatever is remembered"
    reborn.close()
    answer = caller.ask()
    assert (answer.status_code, answer.json()["code"]) == (502, 14)
