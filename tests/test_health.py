"""Probes: each says what it is for and nothing else, soon, to everybody, whatever name it is asked by."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from config import health
from config.pulses import BEAT_KEY, WORKER_KEY
from config.static import StaticFiles
from connections import opened
from tests.connections.trainer_hosts import end_trainer_host, start_trainer_host

pytestmark = pytest.mark.django_db
INNER = 'connection to server at "10.1.2.3", port 5432 failed: password authentication failed for user "slipway"'
PROBES = ("/healthz", "/readyz", "/statusz")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The only check; it fails with what stands in the list, where something does."""
    reasons: list[str] = []

    def check() -> None:
        if reasons:
            raise OSError(reasons[0])

    monkeypatch.setattr(health, "process", health.RecentChecks({"database": check}, needs={}))
    yield reasons


@pytest.fixture
def signs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[redis.Redis]:
    """The broker, with signs of life of a worker and of beat just now; and a trainer-host, however slow it answers."""
    monkeypatch.setattr(opened, "PROBE_SECONDS", 60)
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 60)
    monkeypatch.setattr(opened, "local_root", lambda: tmp_path)
    start_trainer_host(tmp_path)
    with redis.Redis.from_url(settings.REDIS_URL) as broker:
        broker.mset({WORKER_KEY: time.time(), BEAT_KEY: time.time()})
        yield broker
        broker.delete(WORKER_KEY, BEAT_KEY)
    end_trainer_host(tmp_path)


def test_what_a_library_said_is_not_told_to_everybody(client: Client, failing: list[str]) -> None:
    failing.append(INNER)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {"database": "cannot be asked; the web server's log has the reason"}
    assert "10.1.2.3" not in answer.content.decode()


@pytest.mark.parametrize("host", ["10.0.7.9:8000", "slipway-web-7d9f.svc", "any thing"])
def test_they_answer_under_any_name_where_pages_do_not(client: Client, host: str, signs: redis.Redis) -> None:
    assert [client.get(path, headers={"Host": host}).status_code for path in PROBES] == [200, 200, 200]
    assert client.get("/", headers={"Host": host}).status_code == 400


def test_a_system_that_ails_is_no_reason_to_take_a_web_process_away(
    client: Client, signs: redis.Redis, settings: Settings, tmp_path: Path
) -> None:
    signs.set(BEAT_KEY, time.time() - 60)
    signs.delete(WORKER_KEY)
    settings.SLIPWAY_LEAST_FREE_MB = 10**12
    assert client.get("/readyz").status_code == 200
    answer = client.get("/statusz")
    told = answer.json()["checks"]
    assert (answer.status_code, told["broker"], told["worker"]) == (503, "ok", "a worker was not seen yet")
    assert told["beat"].startswith("beat was last seen 60 s ago") and "nearly full" in told["disk"]
    assert told["trainer-host"] == "ok"
    end_trainer_host(tmp_path)
    health.forget()
    assert "nothing is started here" in client.get("/statusz").json()["checks"]["trainer-host"]
    assert client.get("/readyz").status_code == 200


def test_a_process_without_the_list_of_its_files_is_not_ready(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": "config.static.StaticFiles"}}
    assert isinstance(staticfiles_storage, StaticFiles)
    answer = client.get("/readyz")
    assert (answer.status_code, "were not collected" in answer.json()["checks"]["static"]) == (503, True)


def test_a_process_that_started_with_other_keys_is_not_ready(client: Client, settings: Settings) -> None:
    settings.SECRET_KEY = "of before"
    answer = client.get("/readyz")
    assert (answer.status_code, "SLIPWAY_SECRET_KEY" in answer.json()["checks"]["keys"]) == (503, True)


def test_asking_often_looks_once(client: Client, failing: list[str]) -> None:
    assert client.get("/readyz").status_code == 200
    failing.append(INNER)
    assert client.get("/readyz").status_code == 200
    health.forget()  # as time does
    assert client.get("/readyz").status_code == 503


def test_that_a_process_answers_asks_nothing(client: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        assert client.get("/healthz").json() == {"status": "ok"}


def test_nobody_waits_long_for_a_check_that_hangs(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def hang() -> None:
        assert go_on.wait(60)

    hanging = {"disk": lambda: None, "broker": hang}
    monkeypatch.setattr(health, "system", health.RecentChecks(hanging, needs={}))
    began = time.monotonic()
    answer = client.get("/statusz")
    assert time.monotonic() - began < 2
    go_on.set()
    assert answer.status_code == 503
    assert answer.json()["checks"] == {"disk": "ok", "broker": "no answer within 1.5 s"}


def test_the_document_is_built_once_and_sent_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    first = client.get("/api/openapi.json")
    monkeypatch.setattr("api.docs.SchemaGenerator", None)  # building it anew would fail
    again = client.get("/api/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/api/openapi.json").content == first.content
    assert first.headers["Cache-Control"] == "public, max-age=300"
