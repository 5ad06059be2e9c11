"""At 100,000 rows every list of the pages reads an index, however it is asked: pages by their addresses, all as one."""

from __future__ import annotations

import json
from functools import partial
from http import HTTPStatus
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.db.models import Model
from django.test import Client

from accounts.models import Account
from accounts.roles import Role
from accounts.scopes import Scope
from benchmarks.filling import FILL_LAUNCHES, FILL_SHAPES
from catalog.models import Offering
from catalog.states import ModelKind, ModelState
from catalog.trained_queries import startable_fitting
from connections.providers.states import AttemptState
from deployments.pages.deploy_form import trainers_for
from tests import plans
from tests.api.makers import make_caller
from tests.catalog.offered import OFFERING, OfferingEngine, make_offering
from tests.connections.remote import registered
from tests.datasets.makers import make_dataset
from tests.launches.makers import bring_to, make_launch
from tests.launches.weights import make_checkpoint
from tests.makers import (
    make_account,
    make_member,
    make_model,
    make_shape,
    make_trained_model,
    make_user,
    make_version,
    sign_in,
)

ROWS, MOST = 100_000, 5_000
COUNTED = 10_000
"""Up to which a list says how long it is."""
LISTED = '"datasets_dataset"."dataset_id"'
"""In what asks for rows, not in what sums up how much an account keeps: of that one column of an index is read."""
NOTHING = "nothing-like-it"
HALF_RARE = ({"q": "bench-777"}, {"q": "bench-77"})
"""Texts of 111 and of 1,111 rows, most of them far down in the order of time."""
FILL_OFFERINGS = """
INSERT INTO catalog_offering (connection_id, shape_id)
SELECT %(far)s, id FROM catalog_trainingshape WHERE shape_id LIKE 'bench-%%';
ANALYZE catalog_offering
"""
FILL_CHECKPOINTS = """
INSERT INTO launches_checkpoint (launch_id, kind, name, requested_name, step, size_bytes, saved_at, listed_at)
SELECT id, kind, 'final', '', 20, 4096, created_at, created_at
FROM launches_launch, unnest(ARRAY['SAMPLER', 'TRAINING']) kind WHERE job_id LIKE 'bench-%%';
ANALYZE launches_checkpoint
"""
pytestmark = [pytest.mark.django_db, pytest.mark.e2e]  # filling the tables takes its time


def fill(script: str, **values: int | str) -> None:
    with connection.cursor() as cursor:
        for statement in script.split(";\n"):
            if statement.strip():
                cursor.execute(statement, values if "%" in statement else None)


def copies(row: Model, **columns: str) -> None:
    """So many rows like it, with these columns by SQL of the number `n`."""
    table, fields = row._meta.db_table, row._meta.concrete_fields
    own = [field.column for field in fields if field.column and not field.primary_key]
    said = ", ".join(columns.get(column, f"t.{column}") for column in own)
    fill(
        f"INSERT INTO {table} ({', '.join(own)}) SELECT {said} FROM {table} t, generate_series(1, {ROWS}) n "
        f"WHERE t.id = {row.pk};\nANALYZE {table}"
    )


@pytest.fixture
def browser() -> Client:
    """Of a superuser and admin of account `local`."""
    root = make_user(superuser=True)
    return sign_in(Client(), make_member(account=make_account(account_id="local"), user=root, role=Role.ADMIN))


def assert_reads_little(browser: Client, table: str, path: str, **asked: str) -> None:
    """The page is there, reads the table, and little of it."""
    address = f"{path}?{urlencode(asked)}"

    def get() -> None:
        assert browser.get(address).status_code == HTTPStatus.OK, address

    plans.assert_reads_little(table, get, most=MOST, counted=3 * COUNTED)


def assert_answers_read_little(table: str, path: str, *asked: str) -> None:
    """The same of a list of the API of account `local`, for one of its viewers."""
    team = Account.objects.get(account_id="local")
    caller = make_caller(account=team, user=make_member(account=team, role=Role.VIEWER), scope=Scope.READ)

    def get(address: str) -> None:
        status, body = caller.get(address)
        assert status == HTTPStatus.OK, body

    for query in ("", *asked):
        address = f"/v1/accounts/local/{path}?{query}"
        plans.assert_reads_little(table, partial(get, address), most=MOST, counted=3 * COUNTED)


def test_the_catalog_however_it_is_filtered_and_sorted(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    make_version()
    rare = make_shape(shape_id="rare", base_model=make_model(family="Rare", architecture="moe"))
    make_version(shape=rare, accelerator_type="NVIDIA_B300_288GB", context=8)
    fill(FILL_SHAPES, rows=ROWS)
    with registered(monkeypatch, OFFERING, OfferingEngine()):
        far = make_offering()
        Offering.objects.create(connection=far, shape=rare)
        fill(FILL_OFFERINGS, far=far.pk)
        assert_reads_little(browser, "catalog_offering", "/")
        assert_reads_little(browser, "catalog_", "/shapes/fireworks/rare")
    for asked in ({}, {"family": "Rare"}, {"architecture": "moe"}, {"accelerator": "NVIDIA_B300_288GB"},
                  {"q": NOTHING}, {"q": "bench-777"}, {"family": "Rare", "context": "100k"}):  # fmt: skip
        for sort in ("-name", "context", "-context", "gpus"):
            assert_reads_little(browser, "catalog_shapeversion", "/", sort=sort, **asked)
    for asked in ({"family": "Bench"}, {"family": "Rare"}, {"mode": "lora"}, {"mode": "policy"},
                  {"architecture": "dense"}, {"architecture": "moe"}, {"accelerator": "NVIDIA_B300_288GB"},
                  {"context": "100k"}, {"gpus": "1"}, {"q": "bench-777"}, {"q": NOTHING}):  # fmt: skip
        assert_reads_little(browser, "catalog_shapeversion", "/", **asked)
    for asked in ({}, {"family": "Bench"}, {"family": "Rare"}, {"mode": "lora"}, {"mode": "policy"},
                  {"architecture": "moe"}, {"accelerator": "NVIDIA_B300_288GB"}, {"context": "100k"}, {"gpus": "1"},
                  {"q": "bench-777"}, {"q": NOTHING}, {"family": "Rare", "context": "100k"}):  # fmt: skip
        assert_reads_little(browser, "catalog_basemodel", "/publish/new", **asked)
    copied = rare.versions.get()
    assert_reads_little(browser, "catalog_basemodel", f"/publish/fireworks/rare/versions/{copied.version_id}/clone")


def test_the_lists_of_an_account_however_they_are_asked(browser: Client) -> None:
    team = Account.objects.get(account_id="local")
    model = make_trained_model(account=team, kind=ModelKind.ADAPTER)
    rare = make_trained_model(account=team, kind=ModelKind.FULL, state=ModelState.FAILED)
    data = make_dataset(account=team)
    named = {"uid": "gen_random_uuid()", "created_at": "t.created_at - n * interval '1 minute'"}
    text = "t.search_text || ' bench-' || n"
    copies(model, model_id="'bench-' || n", search_text=text, size_bytes="n", **named)
    copies(data, dataset_id="'bench-' || n", display_name="'bench ' || n", **named)
    for asked in ({}, {"kind": rare.kind}, {"state": rare.state}, {"owner": "me"}, {"q": NOTHING}, *HALF_RARE,
                  {"sort": "size"}, {"sort": "-size"}, {"sort": "age"}, {"q": "bench-777", "sort": "size"},
                  {"since": "2020-01-01", "until": "2020-01-02"}):  # fmt: skip
        assert_reads_little(browser, "catalog_trainedmodel", "/models", **asked)
    for asked in ({}, {"format": "CHAT"}, {"format": "PREFERENCE"}, {"state": "REFUSED"}, {"owner": "me"},
                  {"q": NOTHING}, *HALF_RARE, {"q": "bench-777", "sort": "-name"},
                  {"sort": "name"}, {"sort": "-name"}):  # fmt: skip
        assert_reads_little(browser, LISTED, "/datasets", **asked)
    assert_answers_read_little("catalog_trainedmodel", "models", "orderBy=create_time desc", "filter=state=FAILED")
    by_state = ("filter=state=REFUSED", "filter=state=READY", "filter=format=CHAT", "filter=format=PREFERENCE")
    assert_answers_read_little(LISTED, "datasets", "orderBy=name", *by_state)


def test_what_belongs_to_launches(browser: Client) -> None:
    team = Account.objects.get(account_id="local")
    launch = make_launch(account=team)
    make_checkpoint(launch)
    fill(FILL_LAUNCHES, rows=ROWS, spec=json.dumps(launch.spec), user=launch.owner.username)
    fill(FILL_CHECKPOINTS)
    bring_to(launch, AttemptState.RUNNING)
    shape = launch.shape_version.shape
    here = f"/shapes/{shape.account.account_id}/{shape.shape_id}"
    for path in ("/launches", f"{here}/launches", f"{here}/launch", "/connections/local/launches"):
        assert_reads_little(browser, "launches_", path)
    assert_reads_little(browser, "launches_checkpoint", f"/launches/{launch.uid}")
    assert_reads_little(browser, "launches_checkpoint", f"{here}/launch")
    make_user(username="nobody")  # who launched nothing
    asked = ("orderBy=name", "filter=state=JOB_STATE_RUNNING", 'filter=created_by="nobody"')
    assert_answers_read_little("launches_", "rlorTrainerJobs", *asked)
    assert_answers_read_little("launches_", "rlorTrainerJobs/bench-1/checkpoints")


def test_what_a_shape_has_that_nobody_launched_from(browser: Client) -> None:
    team = Account.objects.get(account_id="local")
    launch = make_launch(account=team)
    fill(FILL_LAUNCHES, rows=ROWS, spec=json.dumps(launch.spec), user=launch.owner.username)
    fill(FILL_CHECKPOINTS)
    adapter = make_trained_model(account=team, kind=ModelKind.ADAPTER)
    copies(adapter, model_id="'bench-' || n", uid="gen_random_uuid()")
    rare = make_version(
        shape=make_shape(shape_id="rare", base_model=make_model(family="Rare")), trainer_mode="LORA_TRAINER"
    )
    name = f"{rare.shape.account.account_id}/rare"
    assert_reads_little(browser, "launches_launch", f"/shapes/{name}/launches")
    assert_reads_little(browser, "launches_launch", "/launches", shape=name)
    assert_reads_little(browser, "launches_", f"/shapes/{name}/launch")
    assert_reads_little(browser, "catalog_trainedmodel", f"/shapes/{name}/launch")
    plans.assert_reads_little("launches_launch", lambda: trainers_for(rare, team), most=MOST)
    names = [rare.shape.base_model.name]
    plans.assert_reads_little(
        "catalog_trainedmodel",
        lambda: startable_fitting(team, names, model_type="rare", parameter_count=7),
        most=MOST,
    )
