"""200 publishers of one shape at the same moment: none gets in another's way, and exactly one version is the latest."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from django.db import connection, transaction

from accounts.actors import Actor, user_actor
from accounts.models import AuditEntry
from accounts.roles import Role
from catalog.domain.publish_version import publish_version
from catalog.domain.shape_lock import lock_shape
from catalog.models import ShapeVersion, TrainingShape
from tests.makers import make_account, make_member, make_model, make_shape, make_version
from wire.errors import Conflict

PUBLISHES = 200
PATIENCE_SECONDS = 60.0
pytestmark = pytest.mark.e2e  # for how long it takes


def publish_all(shape: TrainingShape, versions: list[ShapeVersion], actor: Actor, expected: str | None) -> Counter[str]:
    """Publish each version, all at the same moment; how it ended, by name.

    The shape stays locked until every publisher, on a connection of its own, waits for it in the database.
    """

    def publish(version: ShapeVersion) -> str:
        try:
            publish_version(actor=actor, version=version, public=True, expected_latest=expected)
        except Conflict:
            return "conflict"
        finally:
            connection.close()
        return "published"

    with no_pool(), ThreadPoolExecutor(len(versions)) as threads:
        with transaction.atomic():
            lock_shape(shape)
            ending = [threads.submit(publish, version) for version in versions]
            wait_until_waiting(ending)
        return Counter(each.result() for each in ending)


@contextmanager
def no_pool() -> Iterator[None]:
    """Connections that are opened meanwhile are not taken from the pool, which would let ten at a time through."""
    options = connection.settings_dict["OPTIONS"]
    pool = options.pop("pool")
    try:
        yield
    finally:
        options["pool"] = pool


def wait_until_waiting(publishers: list[Future[str]]) -> None:
    """Until as many connections to this database wait for a lock; where one failed before, its error."""
    until = time.monotonic() + PATIENCE_SECONDS
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees what it saw first
            cursor.execute(waiting)
            if (found := cursor.fetchone()[0]) >= len(publishers):
                return
            for publisher in publishers:
                if publisher.done():
                    publisher.result()
            assert time.monotonic() < until, f"{found} of {len(publishers)} wait"
            time.sleep(0.02)


def make_validated(shape: TrainingShape, number: int) -> list[ShapeVersion]:
    """Versions that are validated and were never published."""
    return [
        make_version(shape=shape, gpus=0, public=False, latest=False, published=False, version_id=f"v{n:07}")
        for n in range(number)
    ]


@pytest.mark.django_db(transaction=True)
def test_200_publishes_at_once_leave_exactly_one_latest() -> None:
    shape = make_shape(base_model=make_model(account=make_account()))
    actor = user_actor(make_member(account=shape.account, role=Role.PUBLISHER))
    ended = publish_all(shape, make_validated(shape, PUBLISHES), actor, expected=None)
    assert ended == {"published": PUBLISHES}
    last = AuditEntry.objects.filter(verb="publish_version").order_by("pk")
    latest = shape.versions.get(is_latest_validated=True)
    assert [entry.after and entry.after["latestValidated"] for entry in last][-1] == latest.version_id
    # Each publisher replaced what the one before had published: no pointer move was lost.
    moves = [(entry.before or {}, entry.after or {}) for entry in last]
    assert [before["latestValidated"] for before, _ in moves] == [
        None,
        *(after["latestValidated"] for _, after in moves[:-1]),
    ]


@pytest.mark.django_db(transaction=True)
def test_of_200_publishers_who_saw_the_same_one_wins() -> None:
    shape = make_shape(base_model=make_model(account=make_account()))
    actor = user_actor(make_member(account=shape.account, role=Role.PUBLISHER))
    ended = publish_all(shape, make_validated(shape, PUBLISHES), actor, expected="")
    assert ended == {"published": 1, "conflict": PUBLISHES - 1}
    assert shape.versions.filter(is_latest_validated=True).count() == 1
    assert shape.versions.filter(is_public=True).count() == 1
