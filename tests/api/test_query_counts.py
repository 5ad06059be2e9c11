"""A list asks as often for fifty rows as for one, and counts only where it is longer; one resource, a few."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.roles import Role
from launches.models import Checkpoint, Launch
from tests.api.makers import Caller, make_caller
from tests.connections.makers import local_connection
from tests.launches.makers import NOW, make_launch, make_tiny_version
from tests.makers import make_account, make_member, make_model, make_shape, make_version

KEY, ROWS, TOTAL = 1, 1, 1
"""Which catalog it is is read with the key."""
LISTS = {
    "/v1/accounts": (KEY + ROWS, KEY + ROWS),
    "/v1/accounts/-/models": (KEY + 2 * ROWS, KEY + 2 * (ROWS + TOTAL)),
    "/v1/accounts/-/trainingShapes": (KEY + ROWS, KEY + ROWS + TOTAL),
    "/v1/accounts/local/trainingShapes": (KEY + ROWS, KEY + ROWS + TOTAL),
    "/v1/accounts/-/trainingShapes/-/versions": (KEY + ROWS, KEY + ROWS + TOTAL),
    "/v1/accounts/-/trainingShapes/-/versions?filter=latest_validated=true&readMask=name": (
        KEY + ROWS,
        KEY + ROWS + TOTAL,
    ),
    "/v1/accounts/local/trainingShapes/first/versions": (KEY + 1 + ROWS, KEY + 1 + ROWS + TOTAL),
    "/v1/accounts/local/rlorTrainerJobs": (KEY + ROWS + 1, KEY + ROWS + 1 + TOTAL),
    "/v1/accounts/local/rlorTrainerJobs/job/checkpoints": (KEY + 2 + ROWS, KEY + 2 + ROWS + TOTAL),
}
"""Where one page is the whole list, and where it is not."""
ONES = {
    "/v1/accounts/local": KEY,
    "/v1/accounts/local/models/tiny-qwen3": KEY + 1,
    "/v1/accounts/local/trainingShapes/first": KEY + 1,
    "/v1/accounts/local/trainingShapes/first/versions/latest": KEY + 1,
    "/v1/accounts/local/rlorTrainerJobs/job": KEY + 2,
}
pytestmark = pytest.mark.django_db


@pytest.fixture
def caller() -> Caller:
    local = make_account(account_id="local")
    user = make_member(account=local, role=Role.LAUNCHER)
    model = make_model(account=local, model_id="tiny-qwen3")
    first = make_version(shape=make_shape(base_model=model, shape_id="first"), gpus=0, context=2048)
    launch = make_launch(owner=user, account=local, version=first)
    Launch.objects.filter(pk=launch.pk).update(job_id="job")
    Checkpoint.objects.create(launch=launch, name="step-0", step=0, size_bytes=1, saved_at=NOW)
    found = make_caller(account=local, user=user, scope="launch")  # type: ignore[arg-type]
    assert found.get("/v1/accounts")[0] == 200  # notes the key's use, and from where
    return found


def add_many(rows: int) -> None:
    """So many more of everything."""
    launch = Launch.objects.get(job_id="job")
    for number in range(rows):
        model = make_model(account=launch.account)
        make_version(shape=make_shape(base_model=model))
        make_version(shape=launch.shape_version.shape, latest=False)
        make_launch(owner=launch.owner, account=launch.account, version=launch.shape_version)
        Checkpoint.objects.create(launch=launch, name=f"{rows}-{number}", step=number, size_bytes=1, saved_at=NOW)


def queries(caller: Caller, path: str) -> int:
    """How many questions the request asks; the test client's transaction asks none."""
    with CaptureQueriesContext(connection) as asked:
        status, body = caller.get(path)
    assert status == 200, body
    return len(asked)


def test_lists_ask_as_often_for_fifty_rows_as_for_one(caller: Caller) -> None:
    whole, longer = ({path: counts[place] for path, counts in LISTS.items()} for place in (0, 1))
    assert {path: queries(caller, path) for path in LISTS} == whole
    add_many(50)
    assert {path: queries(caller, f"{path}{'&' if '?' in path else '?'}pageSize=200") for path in LISTS} == whole
    add_many(2)
    assert {path: queries(caller, path) for path in LISTS} == longer


def test_a_job_is_accepted_in_few_questions(caller: Caller) -> None:
    """Its key, shape, connections; the latter two held, in a transaction; four rows, written together."""
    shape = make_tiny_version().shape
    local_connection()
    path = f"/v1/accounts/local/rlorTrainerJobs?rlorTrainerJobId=job-%d&trainingShape={shape.name}"
    body = {"trainingConfig": {"baseModel": shape.base_model.name}}
    assert caller.post(path % 1, body)[0] == 200  # opens the connection's provider
    with CaptureQueriesContext(connection) as asked:
        assert caller.post(path % 2, body)[0] == 200
    assert len(asked) == 7, [query["sql"][:80] for query in asked.captured_queries]


def test_one_resource_takes_a_few_questions(caller: Caller) -> None:
    assert {path: queries(caller, path) for path in ONES} == ONES


def test_no_jobs_are_not_asked_about_further(caller: Caller) -> None:
    Launch.objects.update(deleted_at=NOW)
    assert queries(caller, "/v1/accounts/local/rlorTrainerJobs") == KEY + ROWS
