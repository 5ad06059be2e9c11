"""At 100,000 versions a page of a list reads an index, not the table; what is counted is counted to a bound."""

from __future__ import annotations

import pytest
from django.db import connection

from accounts.roles import Role
from accounts.scopes import Scope
from api.listing import EXACT_UP_TO
from benchmarks.filling import FILL_SHAPES
from tests import plans
from tests.api.makers import Caller, make_caller
from tests.makers import make_account, make_member, make_model, make_shape, make_version

ROWS = 100_000
FOUND = 5_000
"""What a text may be looked for among, without an order, to find the few that have it."""
SUPERSEDED = """
INSERT INTO catalog_shapeversion (shape_id, version_id, snapshot, launch_fields, digest, state, is_public,
    is_latest_validated, published_at, deprecation_message, created_at, note)
SELECT shape_id, lpad(n::text, 8, 'a'), snapshot, launch_fields, digest, state, true, false, now(), '', now(), ''
FROM (SELECT * FROM catalog_shapeversion ORDER BY id LIMIT 1) v, generate_series(1, 5000) n;
ANALYZE catalog_shapeversion
"""
VERSIONS = "/v1/accounts/-/trainingShapes/-/versions"
SAMPLER = "accounts/fireworks/deploymentShapes/sampler/versions/abcdefgh"
pytestmark = [pytest.mark.django_db, pytest.mark.e2e]  # filling the tables takes its time


@pytest.fixture
def caller() -> Caller:
    """A viewer of an account without shapes, beside 100,000 public versions, the newest of which are superseded."""
    make_version()
    make_version(deployment_shape_version=SAMPLER)
    with connection.cursor() as cursor:
        for statement in (FILL_SHAPES + SUPERSEDED).split(";\n"):
            if statement.strip():
                cursor.execute(statement, {"rows": ROWS} if "%" in statement else None)
    team = make_account(account_id="team-a")
    return make_caller(account=team, user=make_member(account=team, role=Role.VIEWER), scope=Scope.READ)


def assert_reads_little(caller: Caller, path: str, table: str = "catalog_shapeversion", **limits: int) -> None:
    def get() -> None:
        status, body = caller.get(path)
        assert status == 200, body

    plans.assert_reads_little(table, get, counted=3 * EXACT_UP_TO, **limits)


def pages_down(caller: Caller, path: str, pages: int = 20) -> str:
    """The address of a page deep in the list."""
    token = ""
    for _ in range(pages):
        token = caller.get(f"{path}pageSize=200&pageToken={token}")[1]["nextPageToken"]
    return f"{path}pageSize=200&pageToken={token}"


def test_lists_read_an_index_however_and_wherever_they_are_asked(caller: Caller) -> None:
    model = 'snapshot.base_model="accounts/fireworks/models/bench-777"'
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM catalog_shapeversion")
        assert cursor.fetchone()[0] > ROWS
    assert_reads_little(caller, VERSIONS)
    assert_reads_little(caller, "/v1/accounts/fireworks/trainingShapes/-/versions")
    assert_reads_little(caller, "/v1/accounts/fireworks/trainingShapes/bench-777-1/versions")
    assert_reads_little(caller, f"{VERSIONS}?filter=latest_validated=true")
    assert_reads_little(caller, f"{VERSIONS}?filter=public=true")
    assert_reads_little(caller, f"{VERSIONS}?filter={model}")
    assert_reads_little(caller, f"{VERSIONS}?filter=latest_validated=true AND {model}")
    assert_reads_little(caller, f"{VERSIONS}?orderBy=create_time")
    assert_reads_little(caller, f"{VERSIONS}?orderBy=update_time desc")
    assert_reads_little(caller, "/v1/accounts/-/trainingShapes")
    assert_reads_little(caller, "/v1/accounts/fireworks/trainingShapes")
    assert_reads_little(caller, f"/v1/accounts/-/trainingShapes?filter={model.removeprefix('snapshot.')}")
    assert_reads_little(caller, "/v1/accounts/-/trainingShapes?orderBy=max_supported_context_length desc")
    for text in ("bench 777", "bench 77", "nowhere"):
        assert_reads_little(caller, f'/v1/accounts/-/trainingShapes?filter="{text}"')
    assert_reads_little(caller, "/v1/accounts/fireworks/trainingShapes/bench-777-1")
    assert_reads_little(caller, "/v1/accounts/fireworks/trainingShapes/bench-777-1/versions/latest")

    assert_reads_little(caller, f"/v1/{SAMPLER}")

    _, shallow = caller.get(f"{VERSIONS}?pageSize=200")
    assert "totalSize" not in shallow
    assert_reads_little(caller, pages_down(caller, f"{VERSIONS}?"))


def test_models_are_read_by_an_index_whoever_has_few_or_many(caller: Caller) -> None:
    few = make_account(account_id="team-b")
    for number in range(5):
        make_version(shape=make_shape(base_model=make_model(account=few, model_id=f"few-{number}")))
        make_model(account=few, model_id=f"hidden-{number}")
        make_model(account=make_account(account_id="team-a"), model_id=f"own-{number}")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE catalog_basemodel")
    for path in ("fireworks", "team-a", "team-b", "-", "nobody"):
        models = f"/v1/accounts/{path}/models?"
        for order in ("name", "name desc", "create_time", "create_time desc"):
            assert_reads_little(caller, f"{models}orderBy={order}", "catalog_basemodel")
        for text in ("bench 777", "bench 77", "few", "nowhere"):
            assert_reads_little(caller, f'{models}filter="{text}"', "catalog_basemodel", most=FOUND)
            for operator in ("=", ":"):
                asked = f'{models}filter=display_name{operator}"{text.title()}"'
                assert_reads_little(caller, asked, "catalog_basemodel")
        assert_reads_little(caller, f'{models}filter=kind="HF_BASE_MODEL"', "catalog_basemodel")
    for path in ("fireworks", "-"):
        for order in ("name", "name desc", "create_time", "create_time desc"):
            deep = pages_down(caller, f"/v1/accounts/{path}/models?orderBy={order}&")
            assert_reads_little(caller, deep, "catalog_basemodel")
    for model in ("fireworks/models/bench-777", "team-b/models/few-1"):
        assert_reads_little(caller, f"/v1/accounts/{model}", "catalog_basemodel")
