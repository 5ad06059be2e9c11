"""What is passed on, for whatever anybody may send: no field, path or framing leads out of the gateway."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from launches.gateway import headers
from launches.gateway.admission import AdmissionRequest, Admitted
from launches.gateway.application import PREFIX, Gateway
from launches.gateway.pool import Endpoint
from launches.gateway.upstream import Upstream

NAMES = st.one_of(
    st.sampled_from(sorted(headers.HOP_BY_HOP | headers.CALLERS_OWN | headers.OURS_TO_SAY)),
    st.sampled_from([b"Host", b"X-Forwarded-For", b"Content-Length", b"CONNECTION", b"X-API-Key", b"Location"]),
    st.from_regex(rb"[A-Za-z-]{1,12}", fullmatch=True),
)
FIELDS = st.lists(st.tuples(NAMES, st.binary(max_size=20)), max_size=12)
ADMITTED = Admitted(Endpoint("127.0.0.1", 9), b"slt-token")


@given(FIELDS)
def test_the_trainer_is_sent_one_host_one_token_and_no_framing(fields: headers.Fields) -> None:
    sent = headers.request_fields(fields, host=b"127.0.0.1:9", token=b"slt-token")
    names = [name for name, _ in sent]
    assert sent[:2] == [(b"host", b"127.0.0.1:9"), (b"x-api-key", b"slt-token")]
    assert names.count(b"host") == names.count(b"x-api-key") == 1
    assert not set(names) & (headers.HOP_BY_HOP | {b"authorization", b"cookie", b"content-length", b"x-forwarded-for"})


@given(FIELDS)
def test_the_caller_is_sent_no_cookie_no_hop_and_no_other_place(fields: headers.Fields) -> None:
    seen = headers.response_fields(fields, origin=b"http://127.0.0.1:9", prefix=b"/prefix")
    names = {name for name, _ in seen}
    assert not names & (headers.HOP_BY_HOP | {b"set-cookie", b"x-accel-redirect", b"access-control-allow-origin"})
    assert all(value.startswith(b"/prefix/") for name, value in seen if name == b"location")
    assert [value for name, value in seen if name == b"x-content-type-options"] == [b"nosniff"]


def test_who_lists_the_length_as_an_option_does_not_change_the_framing() -> None:
    fields = [(b"connection", b"content-length"), (b"content-length", b"3")]
    assert (b"content-length", b"3") in headers.response_fields(fields, origin=b"", prefix=b"")


def test_a_length_beside_chunks_does_not_count() -> None:
    fields = [(b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"3")]
    assert b"content-length" not in dict(headers.response_fields(fields, origin=b"", prefix=b""))
    assert headers.content_length_in(fields) is None


@pytest.mark.parametrize("told", [[b"3", b"4"], [b"-1"], [b"+3"], [b"0x3"], [b"3, 3"], [b""], [b"\xb2"]])
def test_a_length_that_is_none_is_refused(told: list[bytes]) -> None:
    with pytest.raises(ValueError, match="Content-Length"):
        headers.content_length_in([(b"content-length", value) for value in told])


@pytest.mark.parametrize(
    ("fields", "secret"),
    [
        ([], ""),
        ([(b"X-Api-Key", b"a")], "a"),
        ([(b"Authorization", b"Bearer a")], "a"),
        ([(b"authorization", b"bearer  a ")], "a"),
        ([(b"authorization", b"Basic a")], ""),
        ([(b"authorization", b"Bearer b"), (b"x-api-key", b"a")], "a"),
    ],
)
def test_where_the_key_is(fields: headers.Fields, secret: str) -> None:
    assert headers.secret_in(fields) == secret


class Recorder:
    """A trainer's end of the connection that only keeps what it is sent; h11 says what it means."""

    def __init__(self) -> None:
        self.sent = b""

    async def open(self, endpoint: Endpoint) -> Upstream:
        assert endpoint == ADMITTED.endpoint
        recorder = self

        class Transport(asyncio.Transport):
            def write(self, data: Any) -> None:
                recorder.sent += data

            def abort(self) -> None:
                pass

        upstream = Upstream()
        upstream.connection_made(Transport())
        asyncio.get_running_loop().call_soon(upstream.data_received, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        return upstream

    def requests(self) -> list[h11.Request]:
        """Every request that a server would take it for."""
        server, found = h11.Connection(h11.SERVER), []
        server.receive_data(self.sent)
        while (event := server.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.Request):
                found.append(event)
        assert server.trailing_data[0] == b"", "nothing after the request, where another one could hide"
        return found


TARGETS = st.one_of(
    st.binary(max_size=30),
    st.sampled_from(
        [
            b"/..",
            b"/%2e%2e/",
            b"//evil.example",
            b"/\r\nHost: evil.example",
            b" HTTP/1.1\r\n\r\nGET /",
            b"/@evil",
            b"/#x",
        ]
    ),
)


WITHOUT_LENGTH = FIELDS.map(lambda fields: [each for each in fields if each[0].lower() != b"content-length"])


@given(below=TARGETS, query=TARGETS, fields=WITHOUT_LENGTH)
def test_a_request_is_passed_on_as_one_request_or_not_at_all(
    below: bytes, query: bytes, fields: headers.Fields
) -> None:
    recorder, status = Recorder(), []

    class Desk:
        async def admit(self, question: AdmissionRequest, secret: str) -> Admitted:
            assert (question.account, question.job) == ("local", "job")
            return ADMITTED

        def forget(self, question: AdmissionRequest) -> None:
            pass

    async def send(message: Any) -> None:
        status.append(message.get("status"))

    async def run() -> None:
        gateway, messages = Gateway(), asyncio.Queue[dict[str, Any]]()
        messages.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        gateway.admission, gateway._pool.open = Desk(), recorder.open  # type: ignore[assignment, method-assign]
        raw = f"{PREFIX}local/job/".encode() + below
        scope = {"type": "http", "method": "GET", "raw_path": raw, "query_string": query, "headers": fields}
        async with asyncio.timeout(60):
            await gateway(scope, messages.get, send)

    asyncio.run(run())
    requests = recorder.requests() if recorder.sent else []
    assert status[0] in ({200} if requests else {400})
    for request in requests:
        assert request.target == b"/" + below + (b"?" + query if query else b"")
        assert [value for name, value in request.headers if name == b"host"] == [b"127.0.0.1:9"]


def test_the_key_of_a_connection_is_shown_both_ways_and_the_callers_own_never() -> None:
    given = [(b"Authorization", b"Bearer theirs"), (b"X-Api-Key", b"theirs"), (b"Accept", b"*/*")]
    sent = headers.request_fields(given, host=b"far:443", token=b"ours", is_bearer=True)
    expected = {b"host": b"far:443", b"x-api-key": b"ours", b"authorization": b"Bearer ours", b"accept": b"*/*"}
    assert dict(sent) == expected
    assert b"authorization" not in dict(headers.request_fields(given, host=b"127.0.0.1:9", token=b"ours"))


def test_a_redirection_stays_below_the_path_of_the_endpoint() -> None:
    for place, passed in {
        b"/base/job/x": b"/prefix/x",
        b"https://far/base/job/x": b"/prefix/x",
        b"/other": b"",
        b"/base/jobless": b"",
        b"https://far.example/base/job/x": b"",
    }.items():
        seen = dict(headers.response_fields([(b"location", place)], origin=b"https://far/base/job", prefix=b"/prefix"))
        assert seen.get(b"location", b"") == passed, place
