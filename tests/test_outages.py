"""A database or a broker that is out of reach: every door says so, in the words of whoever knocks."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import pytest
from django.test import Client

from accounts.scopes import Scope
from tests.api.makers import make_caller, make_key
from tests.launches.gateway_calls import exhausted_database
from tests.launches.gateway_parts import database_address, front_door
from tests.launches.makers import make_tiny_version
from tests.makers import PASSWORD, make_account, make_member, make_user, sign_in
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.e2e]  # for how long it takes
NOWHERE = "redis://127.0.0.1:1"
SENTENCE = "Slipway cannot ask its database; repeat the request shortly."


@pytest.fixture
def browser() -> Client:
    return sign_in(Client(raise_request_exception=False), make_member())


def test_a_page_without_the_database_says_so(browser: Client) -> None:
    with exhausted_database():
        answer = browser.get("/launches")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert SENTENCE in answer.content.decode()


@pytest.mark.parametrize("path", ["/v1/accounts", "/v1/accounts/-/trainingShapes"])
def test_the_api_without_the_database_says_so(path: str) -> None:
    account = make_account()
    caller = make_caller(account=account, user=make_member(account=account), scope=Scope.READ)
    client = Client(raise_request_exception=False)
    with exhausted_database():
        answer = client.get(path, headers={"X-Api-Key": caller.secret or ""})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert (answer.json()["code"], answer.json()["message"]) == (14, SENTENCE)
    assert answer.json()["details"][0]["reason"] == "UNAVAILABLE"


def test_signing_in_needs_no_broker(settings) -> None:  # type: ignore[no-untyped-def]
    make_user(username="anna")
    settings.REDIS_URL = NOWHERE
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": NOWHERE}}
    client = Client(raise_request_exception=False)
    assert client.post("/sign-in", {"login": "anna", "password": "wrong"}).status_code == 422
    assert client.post("/sign-in", {"login": "anna", "password": PASSWORD}).status_code == 302
    assert "_auth_user_id" in client.session


def test_a_broker_that_hangs_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    version = make_tiny_version()
    account = version.shape.account
    secret = make_key(account=account, user=make_member(account=account), scope=Scope.LAUNCH)
    with socket.create_server(("127.0.0.1", 0)) as hung:  # takes connections, and says nothing
        monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{hung.getsockname()[1]}")
        with front_door() as port, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            jobs, headers = f"/v1/{account.name}/rlorTrainerJobs", {"X-Api-Key": secret}
            assert client.get(jobs, headers=headers).status_code == 200
            asked = time.monotonic()
            made = client.post(jobs, params={"trainingShape": version.shape.name}, json={}, headers=headers)
            assert made.status_code == 200, made.text
            assert client.post(f"/v1/{made.json()['name']}:cancel", headers=headers).status_code == 200
            assert time.monotonic() - asked < 6.5  # one second each; a hint would wait for five more


@contextmanager
def a_way_to_postgres() -> Iterator[tuple[str, Callable[[bool], None]]]:
    """An address of the test database, and what cuts it off (False) and opens it again (True), as if it were gone."""
    database = urlsplit(database_address())
    listener = socket.create_server(("127.0.0.1", 0))
    port, held = listener.getsockname()[1], list[socket.socket]()

    def pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for side in (source, target):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    def serve(server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = server.accept()
                far = socket.create_connection((database.hostname or "", database.port or 5432))
                held.extend((near, far))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    def turn(on: bool) -> None:
        nonlocal listener
        if on:
            listener = socket.create_server(("127.0.0.1", port))
            threading.Thread(target=serve, args=(listener,), daemon=True).start()
            return
        for each in (listener, *held):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        held.clear()

    listener.close()
    turn(True)
    try:
        yield database._replace(netloc=f"{database.username}:{database.password}@127.0.0.1:{port}").geturl(), turn
    finally:
        turn(False)


def test_while_postgres_is_gone_every_door_says_so_within_three_seconds_and_opens_soon_after() -> None:
    account = make_account()
    secret = make_key(account=account, user=make_member(account=account), scope=Scope.READ)
    browser = sign_in(Client(), make_member(account=account))
    cookies = {name: morsel.value for name, morsel in browser.cookies.items()}
    doors = ("/launches", "/v1/accounts", "/training/v1/rlorTrainerJobs/a/b/api/v1/healthz", "/events?account=a")
    with (
        a_way_to_postgres() as (address, turn),
        front_door(DATABASE_URL=address) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, cookies=cookies) as client,
    ):
        client.headers["X-Api-Key"] = secret
        assert client.get("/launches").status_code == client.get("/v1/accounts").status_code == 200
        assert client.get("/readyz").json()["checks"]["database"] == "ok"
        turn(False)
        for path in (*doors, "/readyz"):
            asked = time.monotonic()
            answer = client.get(path)
            took = time.monotonic() - asked
            assert (answer.status_code, took < 3) == (503, True), (path, took, answer.text)
            assert path == "/readyz" or answer.headers["Retry-After"] == "2", path
            assert path != "/readyz" or took < 2
        assert client.get("/healthz").status_code == 200
        wait_for(lambda: client.get("/statusz").json()["checks"]["database"] != "ok")
        turn(True)
        wait_for(lambda: client.get("/launches").status_code == 200, 10)


def test_what_needs_the_database_is_not_asked_without_it() -> None:
    with exhausted_database():
        checks = Client().get("/readyz").json()["checks"]
        of_system = Client().get("/statusz").json()["checks"]
    assert checks["database"] != "ok" and of_system["database"] != "ok"
    assert (checks["migrations"], checks["keys"]) == ("not known without the database", "ok")


def test_what_needs_the_broker_is_not_asked_without_it(settings) -> None:  # type: ignore[no-untyped-def]
    settings.REDIS_URL = NOWHERE
    assert Client().get("/readyz").status_code == 200
    checks = Client().get("/statusz").json()["checks"]
    assert checks["broker"] != "ok"
    assert {checks["worker"], checks["beat"]} == {"not known without the broker"}
