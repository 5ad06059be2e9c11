"""A connection of the pool that the server has ended is given to nobody, and the server is not asked each time."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from django.db import connection
from psycopg_pool import ConnectionPool

from config.postgres import base

PATIENCE_SECONDS = 60
pytestmark = pytest.mark.django_db


@pytest.fixture
def pooled(monkeypatch: pytest.MonkeyPatch) -> Iterator[base.DatabaseWrapper]:
    settings = deepcopy(connection.settings_dict)
    settings["OPTIONS"] |= {"pool": {"min_size": 1, "max_size": 1, "timeout": PATIENCE_SECONDS}}
    monkeypatch.setattr(base.DatabaseWrapper, "_connection_pools", {})
    found = base.DatabaseWrapper(settings, alias=connection.alias)
    yield found
    found.close()
    found.close_pool()


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The connections that the server was asked about."""
    asked: list[Any] = []
    check = ConnectionPool.check_connection

    def note(found: Any) -> None:
        asked.append(found)
        check(found)

    monkeypatch.setattr(ConnectionPool, "check_connection", note)
    return asked


def backend(pooled: base.DatabaseWrapper) -> int:
    """The number of the server's process, as one request asks for it."""
    with pooled.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (number,) = cursor.fetchone()
    pooled.close()
    return int(number)


def end(number: int) -> None:
    """End the server's process, and wait until it is gone."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, %s)", [number, PATIENCE_SECONDS * 1000])
        assert cursor.fetchone() == (True,)


def test_the_server_is_asked_once_in_a_while(
    pooled: base.DatabaseWrapper, checks: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "SURE_SECONDS", PATIENCE_SECONDS)
    first = backend(pooled)
    assert backend(pooled) == backend(pooled) == first
    assert len(checks) == 1
    monkeypatch.setattr(base, "SURE_SECONDS", -1)
    assert backend(pooled) == first
    assert len(checks) == 2


def test_what_the_server_ended_is_another_connection_at_once(
    pooled: base.DatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "SURE_SECONDS", PATIENCE_SECONDS)
    ended = backend(pooled)
    end(ended)
    assert backend(pooled) != ended
