"""Django's handler as the web processes have it: what a request does in its thread, and when that is over."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, MutableMapping
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.signals import request_finished, request_started
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

from config.handler import OneThreadHandler
from queues.afterwards import after_answer
from queues.bulkheads import Bulkhead, HeldPlace, held_place, wait_for

Message = MutableMapping[str, Any]
seen: list[tuple[str, int]] = []


def _see(what: str) -> None:
    seen.append((what, threading.get_ident()))


def whole(_request: HttpRequest) -> HttpResponse:
    _see("view")
    return HttpResponse("whole")


def endless(_request: HttpRequest) -> StreamingHttpResponse:
    async def chunks() -> AsyncIterator[str]:
        try:
            while True:
                await sync_to_async(_see)("chunk")
                yield "chunk"
        finally:
            _see("closed")

    return StreamingHttpResponse(chunks())


def telling(_request: HttpRequest) -> HttpResponse:
    after_answer(lambda: _see("told"))
    after_answer(lambda: 1 // 0)
    after_answer(lambda: _see("told, too"))
    return whole(_request)


urlpatterns = [path("whole", whole), path("endless", endless), path("telling", telling)]


@pytest.fixture
def handler(settings: Any) -> Iterator[OneThreadHandler]:
    settings.ROOT_URLCONF, settings.MIDDLEWARE = __name__, []
    seen.clear()

    def began(**_: Any) -> None:
        _see("began")

    def finished(**_: Any) -> None:
        _see("finished")

    request_started.connect(began)
    request_finished.connect(finished)
    try:
        yield OneThreadHandler()
    finally:
        request_started.disconnect(began)
        request_finished.disconnect(finished)


async def _ask(handler: OneThreadHandler, address: str, *, leave_after: int = 0) -> list[Message]:
    """What is answered; the caller hangs up after so many messages, or never."""
    sent: list[Message] = []
    left = asyncio.Event()
    pieces = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Message:
        if (piece := next(pieces, None)) is not None:
            return piece
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)
        _see("sent")
        if len(sent) == leave_after:
            left.set()
        await asyncio.sleep(0)

    scope = {"type": "http", "method": "GET", "path": address, "root_path": "", "query_string": b"", "headers": []}
    async with asyncio.timeout(60):
        await handler(scope, receive, send)
    return sent


def test_all_of_a_request_is_done_in_one_thread_which_serves_the_next_one(handler: OneThreadHandler) -> None:
    async def ask_twice() -> None:
        for _ in range(2):
            assert (await _ask(handler, "/whole"))[1]["body"] == b"whole"

    asyncio.run(ask_twice())
    assert len({thread for what, thread in seen if what != "sent"}) == 1
    assert threading.get_ident() not in {thread for what, thread in seen if what != "sent"}


def test_what_a_request_held_is_given_back_before_its_answer_is_sent(handler: OneThreadHandler) -> None:
    asyncio.run(_ask(handler, "/whole"))
    assert [what for what, _ in seen] == ["began", "view", "finished", "sent", "sent"]


def test_what_nobody_waits_for_comes_right_after_the_answer(handler: OneThreadHandler) -> None:
    asyncio.run(_ask(handler, "/telling"))
    assert [what for what, _ in seen] == ["began", "view", "finished", "sent", "sent", "told", "told, too"]
    assert len({thread for what, thread in seen if what != "sent"}) == 1
    after_answer(lambda: _see("told at once"))
    assert seen[-1][0] == "told at once"


def test_what_comes_after_an_answer_holds_no_place(handler: OneThreadHandler) -> None:
    """It may wait for a broker that hangs."""

    async def ask() -> None:
        bulkhead = Bulkhead(1, 0, longest_wait=60)
        place = HeldPlace(bulkhead)
        assert place.take_now() and not bulkhead.enter_now()
        held_place.set(place)
        await _ask(handler, "/tells-of-place")

    def tells_of_place(request: HttpRequest) -> HttpResponse:
        place = held_place.get()
        assert place is not None
        after_answer(lambda: _see("free" if place._bulkhead.enter_now() else "taken"))
        return whole(request)

    urlpatterns.append(path("tells-of-place", tells_of_place))
    try:
        asyncio.run(ask())
    finally:
        urlpatterns.pop()
    assert seen[-1][0] == "free"


def test_a_request_waits_for_what_the_event_loop_answers(handler: OneThreadHandler) -> None:
    async def in_loop() -> None:
        _see("in loop")

    def waiting(request: HttpRequest) -> HttpResponse:
        wait_for(in_loop())
        return whole(request)

    async def ask() -> None:
        held_place.set(HeldPlace(Bulkhead(1, 0, longest_wait=60)))
        await _ask(handler, "/waiting")

    urlpatterns.append(path("waiting", waiting))
    try:
        asyncio.run(ask())
    finally:
        urlpatterns.pop()
    assert dict(seen)["in loop"] == threading.get_ident() != dict(seen)["view"]


def test_what_comes_after_an_answer_comes_also_where_nobody_waits_for_that(handler: OneThreadHandler) -> None:
    goes_on = threading.Event()

    def slow(request: HttpRequest) -> HttpResponse:
        _see("slow")
        assert goes_on.wait(60)
        return telling(request)

    async def give_up() -> None:
        asking = asyncio.ensure_future(_ask(handler, "/slow"))
        async with asyncio.timeout(60):
            while ("slow") not in [what for what, _ in seen]:
                await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.sleep(0)
        goes_on.set()
        with pytest.raises(asyncio.CancelledError):
            await asking

    urlpatterns.append(path("slow", slow))
    try:
        asyncio.run(give_up())
    finally:
        urlpatterns.pop()
    assert [what for what, _ in seen][-2:] == ["told", "told, too"]


def test_two_at_once_have_a_thread_each(handler: OneThreadHandler) -> None:
    both = threading.Barrier(2, timeout=60)
    met = 0

    def meet(_request: HttpRequest) -> HttpResponse:
        nonlocal met
        both.wait()
        met += 1
        return HttpResponse()

    urlpatterns.append(path("meet", meet))
    try:

        async def ask_both() -> None:
            await asyncio.gather(_ask(handler, "/meet"), _ask(handler, "/meet"))

        asyncio.run(ask_both())
    finally:
        urlpatterns.pop()
    assert met == 2


def test_who_hangs_up_breaks_a_stream_off_and_its_request_is_over(handler: OneThreadHandler) -> None:
    asyncio.run(_ask(handler, "/endless", leave_after=3))
    names = [what for what, _ in seen]
    assert names.count("closed") == 1
    assert names[-1] == "finished"
    assert len({thread for what, thread in seen if what in {"began", "chunk", "finished"}}) == 1
