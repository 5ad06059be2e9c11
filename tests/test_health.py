"""What anybody may ask a Slipway, and how often: /readyz and the OpenAPI document tell, and cost, little."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from config import health

pytestmark = pytest.mark.django_db
INNER = 'connection to server at "10.1.2.3", port 5432 failed: password authentication failed for user "slipway"'


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The only check; it fails with what stands in the list, where something does."""
    reasons: list[str] = []

    def check() -> None:
        if reasons:
            raise OSError(reasons[0])

    monkeypatch.setattr(health, "_CHECKS", {"database": check})
    yield reasons


def test_what_a_library_said_is_not_told_to_everybody(client: Client, failing: list[str]) -> None:
    failing.append(INNER)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {"database": "cannot be asked; the web server's log has the reason"}
    assert "10.1.2.3" not in answer.content.decode()


def test_our_own_reasons_are_told(client: Client) -> None:
    assert client.get("/readyz").json()["checks"]["worker"] == "a worker was not seen yet"


def test_asking_often_looks_once(client: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    first = client.get("/readyz").json()
    with django_assert_num_queries(0):
        assert client.get("/readyz").json() == first


def test_what_changed_is_told_after_a_moment(client: Client, failing: list[str]) -> None:
    assert client.get("/readyz").status_code == 200
    failing.append(INNER)
    assert client.get("/readyz").status_code == 200
    health.recent.forget()  # as time does
    assert client.get("/readyz").status_code == 503


def test_nobody_waits_for_a_check_that_hangs_once_there_was_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    looking, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(health, "_CHECKS", {"broker": lambda: None})
    recent = health.RecentChecks()
    assert recent.outcomes() == {"broker": "ok"}

    def hang() -> None:
        looking.set()
        assert go_on.wait(30)

    monkeypatch.setattr(health, "_CHECKS", {"broker": hang})
    recent.forget()
    thread = threading.Thread(target=recent.outcomes)
    thread.start()
    assert looking.wait(30)
    assert recent.outcomes() == {"broker": "ok"}
    go_on.set()
    thread.join()


def test_the_document_is_built_once_and_sent_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    first = client.get("/api/openapi.json")
    monkeypatch.setattr("api.docs.SchemaGenerator", None)  # building it anew would fail
    again = client.get("/api/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/api/openapi.json").content == first.content
    assert first.headers["Cache-Control"] == "public, max-age=300"
