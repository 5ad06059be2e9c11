"""What the gateway bounds, and what it does when a caller, a trainer or the database is not up to it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from connections.providers.states import AttemptState
from launches.gateway.application import Gateway
from launches.models import Launch
from tests.launches.gateway_calls import Message, ask, asked, exhausted_database, sending
from tests.launches.gateway_parts import PATIENCE, Call, StandIn, answer_plainly, make_key, observe, prefix_of
from tests.launches.makers import make_launch, make_tiny_version
from tests.makers import make_account

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.e2e]  # for how long it takes
MEGABYTE = 2**20


@pytest.fixture
def secret(launch: Launch) -> str:
    return make_key(launch.owner, launch.account)


def run(test: Callable[[Gateway], Awaitable[None]]) -> None:
    """The test with a gateway that remembers nothing yet; it ends in time or fails."""

    async def limited() -> None:
        async with asyncio.timeout(PATIENCE):
            await test(Gateway())

    async_to_sync(limited)()


def test_too_much_at_once_is_refused(launch: Launch, secret: str, monkeypatch: Any) -> None:
    monkeypatch.setattr("launches.gateway.application.MOST_OPEN", 0)
    answer = asked(f"{prefix_of(launch)}/x", secret)
    assert (answer.status, answer.code) == (429, 8)


def test_no_account_holds_the_places_of_the_others(
    launch: Launch, secret: str, trainer: StandIn, monkeypatch: Any
) -> None:
    monkeypatch.setattr("launches.gateway.application.MOST_OF_ONE_ACCOUNT", 2)
    held = threading.Event()

    def hold(call: Call) -> None:
        held.wait(PATIENCE)
        answer_plainly(call)

    trainer.script = hold
    team = make_account(account_id="team-b")
    other = make_launch(account=team, version=make_tiny_version(public=True))
    neighbour = StandIn()
    observe(other, AttemptState.RUNNING, endpoint=neighbour.endpoint)
    others_path, others_secret = f"{prefix_of(other)}/x", make_key(other.owner, other.account)
    path = f"{prefix_of(launch)}/x"

    async def test(gateway: Gateway) -> None:
        polls = [asyncio.create_task(ask(gateway, path, secret)) for _ in range(2)]
        for _ in polls:
            await asyncio.to_thread(trainer.next_call)
        refused = await ask(gateway, path, secret)
        assert (refused.status, refused.code) == (429, 8)
        assert b"retry-after" in refused.headers
        assert b"accounts/local" in refused.body
        assert (await ask(gateway, others_path, others_secret)).status == 200
        held.set()
        assert [answer.status for answer in await asyncio.gather(*polls)] == [200, 200]
        assert (await ask(gateway, path, secret)).status == 200, "places are given back"

    run(test)
    neighbour.close()


def test_whoever_is_not_let_through_takes_no_place_of_the_account(launch: Launch, monkeypatch: Any) -> None:
    monkeypatch.setattr("launches.gateway.application.MOST_OF_ONE_ACCOUNT", 0)
    assert asked(f"{prefix_of(launch)}/x").status == 401


@pytest.mark.parametrize("pieces", [1, 2])
def test_a_caller_who_takes_nothing_is_given_up(
    launch: Launch, secret: str, trainer: StandIn, monkeypatch: Any, pieces: int
) -> None:
    """In the midst of an answer, and at its last piece, when the trainer's part is over."""
    monkeypatch.setattr("launches.gateway.exchange.LONGEST_STALL_SECONDS", 0.2)
    trainer.script = lambda call: call.wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\nx" % pieces)
    path = f"{prefix_of(launch)}/x"

    async def stop_reading(message: Any) -> None:
        if message.get("body"):
            await asyncio.Event().wait()

    async def test(gateway: Gateway) -> None:
        with pytest.raises(Exception, match="takes no more"):
            await ask(gateway, path, secret, take=stop_reading)
        call = trainer.next_call()
        if pieces > 1:
            assert await asyncio.to_thread(call.wire.ends)
        trainer.script = answer_plainly
        assert (await ask(gateway, path, secret)).status == 200

    run(test)


def test_a_connection_whose_request_is_still_under_way_is_not_used_again(
    launch: Launch, secret: str, trainer: StandIn
) -> None:
    """The trainer answers without reading: the last byte is handed over, and has not left."""

    def script(call: Call) -> None:
        if call.connection > 1:
            answer_plainly(call)
            return
        call.answer(b"enough")
        call.over.wait(PATIENCE)

    trainer.script = script
    path, body = f"{prefix_of(launch)}/x", bytes(32 * MEGABYTE)

    async def test(gateway: Gateway) -> None:
        length = (b"content-length", b"%d" % len(body))
        early = await ask(gateway, path, secret, method="POST", fields=[length], receive=sending(body))
        assert early.body == b"enough"
        trainer.next_call().over.set()
        assert (await ask(gateway, path, secret)).body == b"0 bytes"

    run(test)


def test_a_trainer_that_says_nothing_for_too_long_is_given_up(
    launch: Launch, secret: str, trainer: StandIn, monkeypatch: Any
) -> None:
    monkeypatch.setattr("launches.gateway.upstream.LONGEST_SILENCE_SECONDS", 0.2)

    def say_nothing(call: Call) -> None:
        call.over.wait(PATIENCE)

    trainer.script = say_nothing

    async def test(gateway: Gateway) -> None:
        answer = await ask(gateway, f"{prefix_of(launch)}/x", secret, method="POST", receive=sending(b"{}"))
        assert (answer.status, answer.code) == (502, 14)

    run(test)
    trainer.next_call().over.set()


def test_a_body_that_never_comes_is_given_up(launch: Launch, secret: str, trainer: StandIn, monkeypatch: Any) -> None:
    monkeypatch.setattr("launches.gateway.upstream.LONGEST_SILENCE_SECONDS", 0.2)

    async def test(gateway: Gateway) -> None:
        chunked, never = (b"transfer-encoding", b"chunked"), asyncio.Event()
        answer = await ask(gateway, f"{prefix_of(launch)}/x", secret, fields=[chunked], receive=never.wait)  # type: ignore[arg-type]
        assert (answer.status, answer.code) == (502, 14)

    run(test)


@pytest.mark.parametrize(
    ("pieces", "fields", "came"),
    [
        ([b"{}"], [(b"content-length", b"2")], b"{}"),
        ([b"{}"], [(b"transfer-encoding", b"chunked")], b"2\r\n{}\r\n0\r\n\r\n"),
        ([b"{", b"}"], [(b"transfer-encoding", b"chunked")], b"1\r\n{\r\n"),
    ],
)
def test_the_first_of_a_body_reaches_the_trainer_in_one_read_with_the_head(
    launch: Launch, secret: str, trainer: StandIn, pieces: list[bytes], fields: list[tuple[bytes, bytes]], came: bytes
) -> None:
    """Also where the caller sends it a moment later."""
    read: list[bytes] = []
    messages = sending(*pieces)

    def script(call: Call) -> None:
        read.append(call.wire.buffer)
        answer_plainly(call)

    async def slowly() -> Message:
        await asyncio.sleep(0.3)
        return await messages()

    trainer.script = script
    path = f"{prefix_of(launch)}/x"

    async def test(gateway: Gateway) -> None:
        answer = await ask(gateway, path, secret, method="POST", fields=fields, receive=slowly)
        assert answer.body == b"2 bytes"

    run(test)
    assert read == [came]


def test_a_head_waits_a_moment_for_a_body_and_no_longer(
    launch: Launch, secret: str, trainer: StandIn, monkeypatch: Any
) -> None:
    """A trainer may refuse it unseen, whether or not the caller ever sends any."""
    monkeypatch.setattr("launches.gateway.upstream.HEAD_WAITS_SECONDS", 0.1)
    trainer.script = lambda call: call.answer(b"too long")

    async def test(gateway: Gateway) -> None:
        length, never = (b"content-length", b"2"), asyncio.Event()
        path = f"{prefix_of(launch)}/x"
        answer = await ask(gateway, path, secret, method="POST", fields=[length], receive=never.wait)  # type: ignore[arg-type]
        assert answer.body == b"too long"

    run(test)


def test_a_connection_is_not_idle_for_its_trainer_while_a_body_is_awaited(
    launch: Launch, secret: str, trainer: StandIn, monkeypatch: Any
) -> None:
    monkeypatch.setattr("launches.gateway.upstream.HEAD_WAITS_SECONDS", 0.1)
    messages = sending(b"{}")

    def close_where_idle(call: Call) -> None:
        if trainer.calls.qsize() == 1:
            call.wire.close()

    def script(call: Call) -> None:
        answer_plainly(call)
        threading.Timer(0.5, close_where_idle, [call]).start()

    async def slowly() -> Message:
        await asyncio.sleep(1)
        return await messages()

    trainer.script = script
    path, length = f"{prefix_of(launch)}/x", (b"content-length", b"2")

    async def test(gateway: Gateway) -> None:
        assert (await ask(gateway, path, secret)).status == 200
        answer = await ask(gateway, path, secret, method="POST", fields=[length], receive=slowly)
        assert answer.body == b"2 bytes"

    run(test)
    assert trainer.connections == 1


def test_a_caller_who_hangs_up_before_any_of_the_body_came_wakes_no_trainer(
    launch: Launch, secret: str, trainer: StandIn
) -> None:
    async def hang_up() -> Message:
        return {"type": "http.disconnect"}

    length = (b"content-length", b"2")
    answer = asked(f"{prefix_of(launch)}/x", secret, method="POST", fields=[length], receive=hang_up)
    assert (answer.status, answer.code) == (400, 3)
    assert trainer.calls.empty()


def test_a_long_upload_is_no_silence(launch: Launch, secret: str, trainer: StandIn, monkeypatch: Any) -> None:
    monkeypatch.setattr("launches.gateway.upstream.LONGEST_SILENCE_SECONDS", 3.0)
    left = [b"x"] * 8

    async def slowly() -> Message:
        if not left:
            return await asyncio.Future()
        await asyncio.sleep(0.5)
        return {"type": "http.request", "body": left.pop(), "more_body": bool(left)}

    async def test(gateway: Gateway) -> None:
        answer = await ask(gateway, f"{prefix_of(launch)}/x", secret, method="POST", receive=slowly)
        assert answer.body == b"8 bytes"

    run(test)


def test_a_body_that_cannot_be_passed_on_ends_the_request_at_once(
    launch: Launch, secret: str, trainer: StandIn
) -> None:
    messages = sending(b"half", b"")

    async def fail_half_way() -> Message:
        message = await messages()
        if not message["more_body"]:
            raise RuntimeError("the server's own fault")
        return message

    async def test(gateway: Gateway) -> None:
        answer = await ask(gateway, f"{prefix_of(launch)}/x", secret, method="POST", receive=fail_half_way)
        assert (answer.status, answer.code) == (502, 14)

    run(test)


def test_a_database_that_has_no_connection_to_spare_is_a_503(launch: Launch, secret: str) -> None:
    with exhausted_database():
        answer = asked(f"{prefix_of(launch)}/x", secret)
    assert (answer.status, answer.code) == (503, 14)
    assert b"retry-after" in answer.headers
