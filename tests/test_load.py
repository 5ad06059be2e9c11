"""More at once than is served, through a real server: what waits, what is refused, and what goes on beside it."""

from __future__ import annotations

import html
import select
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from copy import copy
from importlib import import_module

import httpx
import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from accounts.audit_queries import CHUNK
from accounts.models import Account, AuditEntry, User
from accounts.roles import Role
from tests.launches.gateway_parts import database_address, front_door
from tests.makers import make_account, make_member, make_user
from tests.waiting import wait_for

PATIENCE = 60.0
CATALOG = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
LOCKED = "catalog_basemodel"
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
BUSY = {"SLIPWAY_WAITING_SECONDS": "60", "SLIPWAY_DEBUG": "true", "SLIPWAY_PUBLIC_CATALOG": "on"}
"""Debug: pages are served without their files collected first."""


@contextmanager
def nobody_reads(table: str) -> Iterator[None]:
    """No page that asks this table is answered for the duration of the block."""
    with psycopg.connect(database_address()) as holder:
        holder.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


def waiting() -> int:
    """How many pages ask the database for the table."""
    with connection.cursor() as cursor:
        cursor.execute(WAITING, [LOCKED])
        return int(cursor.fetchone()[0])


class Visitor:
    """One connection that asks for the catalog."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.sendall(CATALOG.encode())

    def is_answered(self, within: float = 0.0) -> bool:
        return bool(select.select([self.socket], [], [], within)[0])

    def answer(self) -> str:
        with closing(self.socket):
            return b"".join(iter(lambda: self.socket.recv(65_536), b"")).decode()


def first_to_wait(port: int) -> Visitor:
    """The first who is not refused at once."""
    came: list[Visitor] = []

    def waits() -> bool:
        came.append(Visitor(port))
        return not came[-1].is_answered(2.0)

    wait_for(waits)
    return came[-1]


def session_of(user: User) -> str:
    """The cookie of a session of theirs."""
    signed_in = Client()
    signed_in.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return signed_in.cookies["sessionid"].value


@pytest.mark.django_db(transaction=True)
def test_pages_wait_in_a_bounded_line_and_keep_nothing_else_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (BUSY | {"SLIPWAY_PAGES_AT_ONCE": "1", "SLIPWAY_WAITING": "2"}).items():
        monkeypatch.setenv(name, value)
    with front_door() as port, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
        with nobody_reads(LOCKED):
            served = Visitor(port)
            wait_for(lambda: waiting() == 1)
            visitors = [Visitor(port) for _ in range(6)]
            wait_for(lambda: sum(visitor.is_answered() for visitor in visitors) == 4)
            kept = [visitor for visitor in visitors if not visitor.is_answered()]
            for head, _, body in (
                visitor.answer().partition("\r\n\r\n") for visitor in visitors if visitor.is_answered()
            ):
                assert head.startswith("HTTP/1.1 503 ") and "retry-after: 2" in head.lower()
                assert "x-frame-options: deny" in head.lower() and "Set-Cookie" not in head
                assert "Slipway is busy</h1>" in html.unescape(body)

            refused = client.get("/sign-in")
            assert refused.headers["X-Request-Id"] != client.get("/sign-in").headers["X-Request-Id"]
            assert client.get("/v1/accounts/-/trainingShapes").status_code == 401
            assert client.get("/healthz").status_code == client.get("/static/css/app.css").status_code == 200
            assert client.get("/events").status_code == 401
            assert client.get("/training/v1/rlorTrainerJobs/a/b/api/v1/healthz").status_code == 401

            kept.pop().socket.close()
            kept.append(first_to_wait(port))
            assert waiting() == 1, "one page at once asks the database"
        assert [visitor.answer()[:12] for visitor in (served, *kept)] == ["HTTP/1.1 200"] * 3


@pytest.mark.django_db(transaction=True)
def test_who_reads_the_audit_log_slowly_holds_no_place_and_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    few = {f"SLIPWAY_{what}_AT_ONCE": "1" for what in ("PAGES", "API", "GATEWAY")}
    for name, value in (BUSY | few | {"SLIPWAY_WAITING_SECONDS": "5", "SLIPWAY_DATABASE_POOL": "5"}).items():
        monkeypatch.setenv(name, value)
    account = make_account()
    rows = 2 * CHUNK
    large = AuditEntry(account=account, actor_label="a", verb="v", target="t", after={"note": "x" * 8_000})
    AuditEntry.objects.bulk_create([copy(large) for _ in range(rows)], batch_size=500)
    session = session_of(make_member(account=account, role=Role.ADMIN))
    with front_door() as port, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
        readers = [socket.socket() for _ in range(5)]
        with ExitStack() as opened:
            for slow in map(opened.enter_context, map(closing, readers)):
                slow.settimeout(PATIENCE)
                slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                slow.connect(("127.0.0.1", port))
                asked = f"GET /audit.csv HTTP/1.0\r\nHost: localhost\r\nCookie: sessionid={session}\r\n\r\n"
                slow.sendall(asked.encode())
                assert slow.recv(12).endswith(b" 200")
            assert client.get("/audit", headers={"Cookie": f"sessionid={session}"}).status_code == 200
            rest = b"".join(iter(lambda: readers[0].recv(1 << 20), b""))
            assert rest.count(b"\r\n2") >= rows, "each line begins with its year"


@pytest.mark.django_db(transaction=True)
def test_the_api_refuses_as_an_api_does(monkeypatch: pytest.MonkeyPatch, local: Account) -> None:
    for name, value in (BUSY | {"SLIPWAY_API_AT_ONCE": "1", "SLIPWAY_WAITING": "1"}).items():
        monkeypatch.setenv(name, value)
    with front_door() as port, ThreadPoolExecutor(4) as pool, httpx.Client(timeout=PATIENCE) as client:
        path = f"http://127.0.0.1:{port}/v1/accounts/-/trainingShapes"
        with nobody_reads("accounts_apikey"):
            asked = [pool.submit(client.get, path, headers={"X-Api-Key": "slpw_" + "x" * 43}) for _ in range(4)]
            wait_for(lambda: sum(one.done() for one in asked) == 2)
            for refused in (one.result() for one in asked if one.done()):
                assert (refused.status_code, refused.json()["code"], refused.headers["Retry-After"]) == (503, 14, "2")
                assert refused.headers["Content-Type"] == "application/json"
        assert sorted(one.result().status_code for one in asked) == [401, 401, 503, 503]


@pytest.mark.django_db(transaction=True)
def test_strangers_may_send_so_many_from_one_address_and_others_are_not_kept_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (BUSY | {"SLIPWAY_ANONYMOUS_PER_MINUTE": "3", "SLIPWAY_PROXIES": "127.0.0.1"}).items():
        monkeypatch.setenv(name, value)
    user = make_user(username="anna")

    session = session_of(user)
    with front_door() as port, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:

        def ask(path: str = "/sign-in", address: str = "192.0.2.1", **headers: str) -> httpx.Response:
            return client.get(path, headers={"X-Forwarded-For": f"198.51.100.9, {address}"} | headers)

        assert [ask().status_code for _ in range(3)] == [200] * 3
        refused = ask()
        assert refused.status_code == 429 and 1 <= int(refused.headers["Retry-After"]) <= 20
        assert "3 requests a minute" in refused.text and 'href="/sign-in"' in refused.text
        for cookie in ("sessionid=" + "x" * 32, "sessionid=", "xsessionid=1", "a=sessionid=1"):
            assert ask(Cookie=cookie).status_code == 429, "a session of nobody helps nobody"
        program = ask("/v1/accounts/-/trainingShapes")
        assert (program.status_code, program.json()["code"]) == (429, 8)
        assert ask(address="192.0.2.2").status_code == 200
        assert ask("/launches", Cookie=f"sessionid={session}").status_code == 200
        assert ask("/healthz").status_code == ask("/static/css/app.css").status_code == 200


def test_the_event_loop_waits_for_no_page_for_long() -> None:
    front = import_module("config.asgi")
    assert sys.getswitchinterval() == pytest.approx(front.SWITCH_SECONDS)
    assert settings.SLIPWAY_PAGES_AT_ONCE <= 3
