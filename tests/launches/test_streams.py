"""The event stream: who may listen, what is told, and that a slow or lost reader costs nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import redis
from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.actors import user_actor
from accounts.demanded_factor import note_second_factor
from accounts.models import Account, User
from accounts.roles import Role
from launches.domain.cancel_launch import cancel_launch
from launches.live import streams
from launches.live.ring import LOOKING_SHARE, PORTION, STILL_HERE, Listener, Ring
from launches.live.streams import events, hub
from launches.live.wake import channel, watched_among
from tests.launches.gateway_calls import exhausted_database
from tests.launches.makers import make_launch
from tests.makers import make_account, make_member, make_user, sign_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.e2e]  # for how long it takes
PATIENCE = 60


class Stream:
    """One open connection to the ASGI app, read as text."""

    def __init__(self) -> None:
        self.status = 0
        self.text = ""
        self.gone = asyncio.Event()
        self.over = False
        self._news = asyncio.Condition()

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        async with self._news:
            self.status = message.get("status", self.status)
            self.text += message.get("body", b"").decode()
            self.over = message["type"] == "http.response.body" and not message.get("more_body", False)
            self._news.notify_all()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(condition)


@asynccontextmanager
async def opened(cookie: str, account: str, launch: str = "") -> AsyncIterator[Stream]:
    stream = Stream()
    scope = {
        "type": "http",
        "path": "/events",
        "query_string": f"account={account}&launch={launch}".encode(),
        "headers": [(b"cookie", cookie.encode())] if cookie else [],
    }
    task = asyncio.create_task(events(scope, stream.receive, stream.send))
    try:
        await stream.until(lambda: stream.status != 0)
        yield stream
    finally:
        stream.gone.set()
        await asyncio.wait_for(task, PATIENCE)


def cookie_of(user: User) -> str:
    return _cookie(sign_in(Client(), user))


def _cookie(client: Client) -> str:
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


def in_loop(test: Callable[[], Awaitable[None]]) -> None:
    """Run in a loop of its own, and leave nothing of the pump behind, which the loop's own end would wait for."""

    async def run() -> None:
        try:
            await test()
        finally:
            hub._pump = None
            while left := asyncio.all_tasks() - {asyncio.current_task()}:
                for task in left:
                    task.cancel()  # the broker's client swallows a cancellation that finds it connecting
                await asyncio.sleep(0.01)

    async_to_sync(run)()


def _member(role: Role, account: Account) -> User:
    return make_member(account=account, role=role)


LISTENERS: dict[str, tuple[Callable[[Account], User | None], int]] = {
    "anonymous": (lambda _: None, 401),
    "stranger": (lambda _: make_user(), 404),
    "publisher of another account": (lambda _: make_member(role=Role.PUBLISHER), 404),
    "superuser who is no member": (lambda _: make_user(superuser=True), 404),
} | {role.value: (partial(_member, role), 200) for role in Role}


@pytest.mark.parametrize("who", LISTENERS)
def test_only_members_may_listen(who: str) -> None:
    account = make_account()
    make_listener, status = LISTENERS[who]
    user = make_listener(account)
    cookie = cookie_of(user) if user else ""

    async def test() -> None:
        async with opened(cookie, account.account_id) as stream:
            assert stream.status == status

    in_loop(test)


def test_who_did_not_show_the_second_factor_that_the_role_demands_may_not(settings: Settings) -> None:
    settings.SLIPWAY_MFA_ROLES = (Role.ADMIN,)
    account = make_account()
    admin = make_member(account=account, role=Role.ADMIN)
    without, shown, viewer = sign_in(Client(), admin), sign_in(Client(), admin), make_member(account=account)
    session = shown.session
    note_second_factor(session, admin)
    session.save()
    listeners = ((_cookie(without), 401), (_cookie(shown), 200), (cookie_of(viewer), 200))

    async def test() -> None:
        for cookie, status in listeners:
            async with opened(cookie, account.account_id) as stream:
                assert stream.status == status

    in_loop(test)


def test_a_cookie_that_is_no_key_of_a_session_is_none() -> None:
    account = make_account()

    async def test() -> None:
        async with opened(f'{settings.SESSION_COOKIE_NAME}="\\000aaaaaaaaaaaaaaaa"', account.account_id) as stream:
            assert stream.status == 401

    in_loop(test)


def test_without_the_database_nobody_is_told_to_sign_in() -> None:
    account = make_account()
    cookie = cookie_of(make_member(account=account))

    async def test() -> None:
        async with opened(cookie, account.account_id) as stream:
            assert (stream.status, stream.text) == (503, "Slipway cannot ask its database.\n")

    with exhausted_database():
        in_loop(test)


@pytest.mark.parametrize("account", ["no-such-account", "", "%00", "local%00", "No Account"])
def test_an_account_that_is_not_there_answers_as_one_that_is_not_yours(account: str) -> None:
    cookie = cookie_of(make_user())

    async def test() -> None:
        async with opened(cookie, account) as stream:
            assert stream.status == 404

    in_loop(test)


def test_a_change_wakes_its_account_and_no_other() -> None:
    launch = make_launch()
    other = make_member()
    mine, theirs = cookie_of(launch.owner), cookie_of(other)
    their_account = other.memberships.get().account.account_id

    async def test() -> None:
        async with opened(mine, "local") as stream, opened(theirs, their_account) as foreign:
            await _until_subscribed()
            await sync_to_async(cancel_launch)(actor=user_actor(launch.owner), launch=launch)
            await stream.until(lambda: str(launch.uid) in stream.text and "CANCELLING" in stream.text)
            assert str(launch.uid) not in foreign.text

    in_loop(test)


def _subscribed(broker: redis.Redis) -> list[dict[str, str]]:
    """The broker's clients that listen from this process's database, not those of tests that run beside."""
    ours = str(broker.connection_pool.connection_kwargs["db"])
    clients = broker.client_list(_type="pubsub")
    return [client for client in clients if client["db"] == ours and client["psub"] != "0"]


async def _until_subscribed() -> None:
    async with asyncio.timeout(PATIENCE):
        with redis.Redis.from_url(settings.REDIS_URL) as broker:
            while not _subscribed(broker):
                await asyncio.sleep(0.01)


def test_workers_learn_which_accounts_are_watched() -> None:
    account, other = make_account(), make_account()
    cookie = cookie_of(_member(Role.VIEWER, account))

    async def test() -> None:
        asked = sync_to_async(watched_among)
        assert await asked([account.pk, other.pk]) == frozenset()
        async with opened(cookie, account.account_id), asyncio.timeout(PATIENCE):
            while await asked([account.pk, other.pk]) != {account.pk}:
                await asyncio.sleep(0.01)

    in_loop(test)


def test_a_lost_broker_connection_ends_in_a_new_hello() -> None:
    account = make_account()
    cookie = cookie_of(make_member(account=account))

    async def test() -> None:
        async with opened(cookie, account.account_id) as stream:
            await _until_subscribed()
            await stream.until(lambda: "event: hello" in stream.text)
            before = stream.text.count("event: hello")
            with redis.Redis.from_url(settings.REDIS_URL) as broker:
                for client in _subscribed(broker):
                    broker.client_kill_filter(_id=client["id"])
            await stream.until(lambda: stream.text.count("event: hello") > before)

    in_loop(test)


def test_a_reader_that_left_is_forgotten() -> None:
    account = make_account()
    cookie = cookie_of(make_member(account=account))

    async def test() -> None:
        async with opened(cookie, account.account_id):
            assert account.pk in hub._listeners
        assert account.pk not in hub._listeners

    in_loop(test)


def test_a_slow_reader_is_told_the_newest_of_each_launch_only() -> None:
    async def test() -> None:
        listener = Listener()
        listener.take()
        for sequence in range(1_000):
            listener.tell("a", f"a{sequence}")
        listener.tell("b", "b0")
        assert listener.take() == "event: wake\ndata: a999\n\nevent: wake\ndata: b0\n\n"
        assert listener.take() == STILL_HERE

    asyncio.run(test())


def _told_all(count: int) -> list[Listener]:
    """Listeners that wait for news."""
    listeners = [Listener() for _ in range(count)]
    for listener in listeners:
        listener.take()
    return listeners


def test_thousands_are_woken_in_portions_between_which_others_come() -> None:
    async def test() -> None:
        turns, listeners = Ring(LOOKING_SHARE), _told_all(10 * PORTION)
        turns.add(listeners)
        turns.add(listeners)
        running, woken = asyncio.create_task(turns.run()), [0]
        async with asyncio.timeout(PATIENCE):
            while woken[-1] < len(listeners):
                await asyncio.sleep(0)
                woken.append(sum(listener.changed.is_set() for listener in listeners))
        assert max(after - before for before, after in pairwise(woken)) == PORTION
        running.cancel()

    asyncio.run(test())


def test_who_looks_at_a_launch_is_told_of_it_before_thousands_that_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "OTHERS_SHARE", 1e-9)  # years of rest after a portion
    launch = make_launch()
    cookie = cookie_of(launch.owner)

    async def test() -> None:
        async with opened(cookie, "local", str(launch.uid)) as stream:
            await _until_subscribed()
            await stream.until(lambda: "event: hello" in stream.text)
            others = set(_told_all(20 * PORTION))
            hub._listeners[launch.account_id] |= others
            hub._others.add(others)  # as they are of something that changed just before
            hub._dispatch(channel(launch.account_id), json.dumps({"launch": str(launch.uid)}))
            await stream.until(lambda: str(launch.uid) in stream.text)
            for _ in range(20 * PORTION):  # in which all would be told that have no years to wait
                await asyncio.sleep(0)
            assert sum(each.changed.is_set() for each in others) <= PORTION
            hub._listeners[launch.account_id] -= others

    in_loop(test)
