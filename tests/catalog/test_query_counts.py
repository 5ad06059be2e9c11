"""Query counts of the catalog's pages: recorded, and the same for few and for many shapes."""

from __future__ import annotations

import json

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.actors import SYSTEM
from benchmarks.hostile import many_shapes
from catalog.domain.apply_catalog import apply_catalog
from catalog.fields.launch_fields import common_fields
from catalog.files.reader import read_document
from catalog.filters import CatalogFilters
from catalog.matching import matching_text
from catalog.models import ShapeVersion
from catalog.visibility import listed
from connections.opened import open_provider
from connections.providers.spec import TrainerMode
from tests.connections.makers import local_connection
from tests.makers import make_account, make_member, make_model, make_shape, make_version, sign_in

ANONYMOUS = {
    "/": 5,
    "/?family=Qwen&mode=lora&context=64k": 5,
    "/?q=first": 6,
    "/?sort=-context": 5,
    "/shapes/fireworks/first": 4,
}
MEMBER = {"/": 8, "/?sort=name": 8, "/shapes/fireworks/first": 7}
AGAIN = 2
"""Which catalog it is, and the connections: the rest is kept until something is published."""
EMPTY_BY_TEXT = 8

pytestmark = pytest.mark.usefixtures("public_catalog")


@pytest.fixture
def few(db: None) -> None:
    model = make_model(account=make_account(account_id="fireworks"))
    make_version(shape=make_shape(base_model=model, shape_id="first"))
    open_provider(local_connection())  # once a process that asks who we are


def add_many(shapes: int) -> None:
    """That many more shapes, three to a base model, each with a public latest version; by SQL, to be quick."""
    snapshot = make_version(shape=make_shape(base_model=make_model(position=0))).snapshot
    fields = [field.as_json() for field in common_fields(TrainerMode.LORA_TRAINER)]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH owner AS (SELECT id FROM accounts_account WHERE account_id = 'fireworks'),
            models AS (
                INSERT INTO catalog_basemodel
                    (account_id, model_id, title, family, section, architecture, position, aliases, search_text)
                SELECT owner.id, 'many-' || n, 'Many ' || n, (ARRAY['Qwen','Gemma','Kimi'])[1 + n %% 3], '', 'dense',
                       1000 + n, ARRAY[]::varchar[], ' many ' || n || ' '
                FROM owner, generate_series(1, %(models)s) n RETURNING id, model_id, account_id, search_text
            ),
            shapes AS (
                INSERT INTO catalog_trainingshape
                    (account_id, shape_id, base_model_id, display_name, id_source, position, search_text)
                SELECT account_id, model_id || '-' || n, id, '', 'own', n, search_text || n || ' ' || search_text
                FROM models, generate_series(1, 3) n RETURNING id
            )
            INSERT INTO catalog_shapeversion
                (shape_id, version_id, snapshot, launch_fields, digest, state, is_public, is_latest_validated,
                 published_at, deprecation_message, note)
            SELECT id, substr(md5(id::text), 1, 8), %(snapshot)s::jsonb, %(fields)s::jsonb, repeat('0', 64),
                   'VALIDATED', true, true, now(), '', '' FROM shapes
            """,
            {"models": shapes // 3, "snapshot": json.dumps(snapshot), "fields": json.dumps(fields)},
        )
        cursor.execute("ANALYZE catalog_basemodel, catalog_trainingshape, catalog_shapeversion")


def count(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def test_the_recorded_counts_hold_for_few_and_for_many_shapes(few: None, client: Client) -> None:
    assert {address: count(client, address) for address in ANONYMOUS} == ANONYMOUS
    add_many(5_000)
    assert {address: count(client, address) for address in ANONYMOUS} == ANONYMOUS
    assert {count(client, address) for address in ANONYMOUS if not address.startswith("/shapes")} == {AGAIN}


def test_a_member_costs_session_user_and_memberships(few: None, client: Client) -> None:
    sign_in(client, make_member(account=make_account(account_id="team-a")))
    assert {address: count(client, address) for address in MEMBER} == MEMBER
    add_many(5_000)
    assert {address: count(client, address) for address in MEMBER} == MEMBER


def test_saying_what_to_loosen_costs_one_query_more_for_text(few: None, client: Client) -> None:
    assert count(client, "/?q=nothing-like-it") == EMPTY_BY_TEXT
    assert count(client, "/?family=None&mode=lora") == ANONYMOUS["/"]


def test_a_file_asks_as_often_for_thirty_changed_shapes_as_for_three(few: None) -> None:
    asked = []
    for shapes in (3, 30):
        apply(many_shapes(shapes, gpus=8))
        with CaptureQueriesContext(connection) as captured:
            apply(many_shapes(shapes, gpus=4))
        asked.append(len(captured))
    assert ShapeVersion.objects.filter(shape__account__account_id="bench").count() == 2 * (3 + 30)
    assert asked[0] == asked[1], asked


def apply(text: str) -> None:
    apply_catalog(actor=SYSTEM, document=read_document(text, source="bench"), file="0" * 64, source="bench")


def test_free_text_can_be_served_by_the_trigram_index(few: None) -> None:
    """That the planner does choose it at 100,000 shapes is tested in tests/e2e/test_catalog_scale.py."""
    add_many(2_000)  # with statistics of its own, not those that a test before it left
    matched = listed([]).filter(matching_text(CatalogFilters(q="first qwen")))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")
    plan = matched.explain()
    assert "shape_search_trigrams" in plan, plan
