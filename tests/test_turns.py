"""Pages compute one after the other, and none waits for one that waits itself; through the front door of a process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path
from pytest_django.fixtures import Settings

from config import load
from config.handler import get_application
from config.load import admitted
from queues.bulkheads import step_aside
from queues.turns import Turns, current_turn
from tests.launches.gateway_parts import database_address

PATIENCE = 60.0
FOR_EVER = 10 * PATIENCE
LOCK = 7_351
pytestmark = pytest.mark.django_db(transaction=True)


class PagesAtWork:
    """What the pages below tell, and wait for."""

    def __init__(self) -> None:
        self.computing = self.most_computing = 0
        self.entered, self.may_end = Event(), Event()


scene = PagesAtWork()


def compute(_: HttpRequest) -> HttpResponse:
    scene.computing += 1
    scene.most_computing = max(scene.most_computing, scene.computing)
    for _again in range(200):
        time.sleep(0)  # a thread that may go on does so now
    scene.computing -= 1
    return HttpResponse()


def hold(_: HttpRequest) -> HttpResponse:
    scene.entered.set()
    assert scene.may_end.wait(PATIENCE)
    return HttpResponse()


def stand_aside(request: HttpRequest) -> HttpResponse:
    step_aside()
    return hold(request)


def ask_the_database(_: HttpRequest) -> HttpResponse:
    scene.entered.set()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    return HttpResponse()


urlpatterns = [
    path("compute", compute),
    path("hold", hold),
    path("stand-aside", stand_aside),
    path("ask", ask_the_database),
    path("v1/compute", compute),
]


@pytest.fixture(autouse=True)
def set_up(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    global scene
    scene = PagesAtWork()
    settings.ROOT_URLCONF, settings.SLIPWAY_PAGES_AT_ONCE = __name__, 3
    monkeypatch.setattr(load, "LONGEST_WAIT_SECONDS", FOR_EVER)
    yield
    scene.may_end.set()


Ask = Callable[[str], Coroutine[Any, Any, int]]


def through_the_front_door(act: Callable[[Ask], Coroutine[Any, Any, None]]) -> None:
    """Run `act`, which is given how to ask for a path; that tells the status."""

    async def run() -> None:
        application = admitted(get_application())

        async def ask(address: str) -> int:
            came: list[Any] = []
            pieces = [{"type": "http.request", "body": b"", "more_body": False}]

            async def receive() -> Any:
                return pieces.pop() if pieces else await asyncio.Event().wait()

            async def send(message: Any) -> None:
                came.append(message)

            scope: dict[str, Any] = {
                "type": "http",
                "http_version": "1.1",
                "method": "GET",
                "scheme": "http",
                "path": address,
            }
            scope |= {"raw_path": address.encode(), "query_string": b"", "root_path": "", "client": ("127.0.0.1", 1)}
            scope |= {"server": ("localhost", 80), "headers": [(b"host", b"localhost")]}
            await asyncio.wait_for(application(scope, receive, send), PATIENCE)
            return int(came[0]["status"])

        await act(ask)

    asyncio.run(run())


async def answered_beside(ask: Ask, held: str, other: str, let_end: Callable[[], object]) -> None:
    """That `other` is answered while `held` is not."""
    first = asyncio.create_task(ask(held))
    try:
        assert await asyncio.to_thread(scene.entered.wait, PATIENCE)
        assert await ask(other) == 200
        assert not first.done()
    finally:
        let_end()
    assert await first == 200


def test_pages_compute_one_after_the_other() -> None:
    async def act(ask: Ask) -> None:
        assert await asyncio.gather(*(ask("/compute") for _ in range(6))) == [200] * 6
        assert scene.most_computing == 1

    through_the_front_door(act)


def test_the_api_waits_for_no_turn() -> None:
    through_the_front_door(lambda ask: answered_beside(ask, "/hold", "/v1/compute", scene.may_end.set))


def test_a_page_that_waits_for_the_database_keeps_no_other_waiting() -> None:
    with psycopg.connect(database_address()) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        through_the_front_door(lambda ask: answered_beside(ask, "/ask", "/compute", holder.rollback))


def test_a_page_that_stands_aside_keeps_no_other_waiting() -> None:
    through_the_front_door(lambda ask: answered_beside(ask, "/stand-aside", "/compute", scene.may_end.set))


def test_a_page_that_waits_for_something_else_is_waited_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "LONGEST_WAIT_SECONDS", 0.01)
    through_the_front_door(lambda ask: answered_beside(ask, "/hold", "/compute", scene.may_end.set))


def test_who_waited_in_vain_waits_for_no_turn_again() -> None:
    turns = Turns(longest_wait=0.01)

    def take_twice(let_end: Callable[[], None]) -> list[bool]:
        with turns.taken():
            turn = current_turn()
            assert turn
            was_held = turn.is_held
            let_end()
            turn.take()
            return [was_held, turn.is_held]

    with ThreadPoolExecutor(1) as thread:
        with turns.taken():
            mine = current_turn()
            assert mine
            assert thread.submit(take_twice, mine.give).result(PATIENCE) == [False, False]
        assert thread.submit(take_twice, lambda: None).result(PATIENCE) == [True, True]
