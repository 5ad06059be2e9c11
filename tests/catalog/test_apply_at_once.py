"""Applying a file while somebody else writes to the same catalog."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from accounts.actors import SYSTEM
from accounts.models import AuditEntry
from catalog.domain.apply_catalog import apply_catalog
from catalog.domain.create_shape import create_shape
from catalog.domain.deprecate_version import deprecate_version
from catalog.domain.plan_catalog import plan_catalog
from catalog.domain.shape_lock import lock_version, point_latest
from catalog.files.plan import Plan
from catalog.files.reader import read_document
from catalog.models import BaseModel, ShapeVersion, TrainingShape
from tests.accounts.races import before_commit
from tests.catalog.test_catalog_code import PUBLIC, SECOND
from tests.makers import make_account, make_shape, make_version
from wire.errors import Conflict

FILE = "0" * 64
SECONDS = 20
MODELS = 25
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.e2e]  # for how long it takes


def apply_here(text: str, expected: str | None = None) -> Plan:
    """Apply in the transaction that there is."""
    document = read_document(text, source="own")
    return apply_catalog(actor=SYSTEM, document=document, file=FILE, source="own", expected=expected)


def apply(text: str, expected: str | None = None) -> str:
    """Apply on a connection of its own; how it ended."""
    try:
        done = apply_here(text, expected)
    except Conflict:
        return "stale"
    finally:
        connection.close()
    return "done" if done.steps else "nothing"


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


def test_of_many_who_apply_the_same_file_one_does_it() -> None:
    apply(PUBLIC)
    with ThreadPoolExecutor(8) as pool:
        ended = sorted(pool.map(apply, [PUBLIC.replace("gpus: 2", "gpus: 8") + SECOND] * 8))
    assert ended == ["done", *["nothing"] * 7]
    assert ShapeVersion.objects.count() == 3
    assert AuditEntry.objects.filter(verb="apply_catalog").count() == 2


def many_models(account: str, *, backwards: bool) -> str:
    """A file with base models of many families, without shapes to publish but one each."""
    numbers = range(MODELS, 0, -1) if backwards else range(1, MODELS + 1)
    entries = "".join(
        f"""\
  - model: accounts/{account}/models/m{number}
    title: Model {number}
    family: Family {number % 7}
    shapes:
      - {{id: m{number}-8k, trainer_mode: POLICY_TRAINER, max_supported_context_length: 8192, gpus: 1}}
"""
        for number in numbers
    )
    return f"account: {account}\npublic: true\nmodels:\n{entries}"


def test_files_of_two_accounts_that_order_their_models_anew_do_not_block_each_other() -> None:
    accounts = ["team-a", "team-b"]
    for account in accounts:
        assert apply(many_models(account, backwards=False)) == "done"
    with ThreadPoolExecutor(2) as pool:
        for turn in range(6):
            files = [many_models(account, backwards=turn % 2 == 0) for account in accounts]
            assert list(pool.map(apply, files)) == ["done", "done"]
    positions = BaseModel.objects.order_by("position").values_list("position", flat=True)
    assert list(positions) == list(range(1, 2 * MODELS + 1))


RENAMED = PUBLIC.replace("title: Small", "title: Grown")


@pytest.fixture
def published_elsewhere(db: None) -> ShapeVersion:
    """A version, not the latest yet, that another account has for the model of the file."""
    apply(PUBLIC)
    shape = make_shape(base_model=BaseModel.objects.get(), account=make_account(), shape_id="foreign")
    return make_version(shape=shape, latest=False, display_name="Fresh label")


def publish(version: ShapeVersion) -> None:
    with transaction.atomic():
        locked = lock_version(version)
        point_latest(locked.shape, locked)


def test_a_renamed_model_and_a_publication_elsewhere_are_both_found(published_elsewhere: ShapeVersion) -> None:
    assert before_commit(lambda: publish(published_elsewhere), lambda: apply(RENAMED)) == "done"
    assert_found_by_both(published_elsewhere)


def test_a_publication_elsewhere_after_a_model_was_renamed_has_its_new_title(published_elsewhere: ShapeVersion) -> None:
    assert before_commit(lambda: apply_here(RENAMED), lambda: publish(published_elsewhere)) == "done"
    assert_found_by_both(published_elsewhere)


def assert_found_by_both(version: ShapeVersion) -> None:
    text = TrainingShape.objects.get(pk=version.shape_id).search_text
    assert ("grown" in text, "fresh label" in text) == (True, True), text


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
