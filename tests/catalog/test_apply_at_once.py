"""Applying a file while somebody else writes to the same catalog."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from accounts.actors import SYSTEM
from accounts.models import AuditEntry
from catalog.document import read_document
from catalog.domain.apply_catalog import apply_catalog
from catalog.domain.create_shape import create_shape
from catalog.domain.deprecate_version import deprecate_version
from catalog.domain.plan_catalog import plan_catalog
from catalog.models import BaseModel, ShapeVersion
from tests.catalog.test_catalog_code import PUBLIC, SECOND
from wire.errors import Conflict

FILE = "0" * 64
SECONDS = 20


def apply(text: str, expected: str | None = None) -> str:
    """Apply on a connection of its own; how it ended."""
    try:
        done = apply_catalog(
            actor=SYSTEM, document=read_document(text, source="own"), file=FILE, source="own", expected=expected
        )
    except Conflict:
        return "stale"
    finally:
        connection.close()
    return "done" if done.steps else "nothing"


@pytest.mark.django_db(transaction=True)
def test_a_plan_that_goes_stale_while_it_is_applied_is_refused() -> None:
    apply(PUBLIC)
    changed = PUBLIC.replace("gpus: 2", "gpus: 8")
    plan = plan_catalog(actor=SYSTEM, document=read_document(changed, source="own"), file=FILE, source="own")
    version = ShapeVersion.objects.select_related("shape__account").get()
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            deprecate_version(actor=SYSTEM, version=version, message="Do not use it.")
            applied = pool.submit(apply, changed, plan.fingerprint)
            wait_for_somebody_waiting()
        assert applied.result(SECONDS) == "stale"
    assert ShapeVersion.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_shape_that_somebody_makes_meanwhile_makes_the_plan_stale() -> None:
    apply(PUBLIC)
    model = BaseModel.objects.select_related("account").get()
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            create_shape(actor=SYSTEM, account=model.account, base_model=model, shape_id="small-16k")
            applied = pool.submit(apply, PUBLIC + SECOND)
            wait_for_somebody_waiting()
        assert applied.result(SECONDS) == "stale"
    assert ShapeVersion.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_who_apply_the_same_file_one_does_it() -> None:
    apply(PUBLIC)
    with ThreadPoolExecutor(8) as pool:
        ended = sorted(pool.map(apply, [PUBLIC.replace("gpus: 2", "gpus: 8") + SECOND] * 8))
    assert ended == ["done", *["nothing"] * 7]
    assert ShapeVersion.objects.count() == 3
    assert AuditEntry.objects.filter(verb="apply_catalog").count() == 2


def wait_for_somebody_waiting() -> None:
    """Until a connection to this database waits for a lock."""
    deadline = time.monotonic() + SECONDS
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(
                "SELECT pg_stat_clear_snapshot(), count(*) FROM pg_stat_activity "
                "WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            if cursor.fetchone()[1]:
                return
    raise AssertionError("nobody waits")
