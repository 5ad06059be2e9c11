"""Page times with few and with 100,000 rows, beside the bare answer of the same server and the bare query.

floor   GET /healthz: the server, the front door and the middleware, without a page
query   the page's main SQL alone, on a connection that is open
"""

from __future__ import annotations

import json
import os
from functools import partial
from typing import LiteralString

import django
import httpx
import psycopg

from benchmarks.session import interleaved, sign_in

ROUNDS = 30
MANY_LAUNCHES = 100_000
MANY_SHAPES = 100_000

FILL_LAUNCHES = """
INSERT INTO launches_launch (uid, account_id, job_id, owner_id, shape_version_id, display_name, spec, inputs,
    provider, idempotency_key, state, attempt_count, last_event, created_at)
SELECT gen_random_uuid(), a.id, 'bench-' || n, u.id, v.id, 'bench ' || n, %(spec)s, '{}', 'local', 'bench-' || n,
    (ARRAY['COMPLETED','FAILED','CANCELLED'])[1 + n %% 3], 1, 1, now() - n * interval '1 second'
FROM generate_series(1, %(rows)s) n, accounts_account a, accounts_user u,
    (SELECT id FROM catalog_shapeversion ORDER BY id LIMIT 1) v
WHERE a.account_id = 'local' AND u.username = %(user)s;
INSERT INTO launches_attempt (launch_id, number, state, reason, detail, ready, endpoint, resume_from, failures,
    progress_read, log_tail, log_offset, metrics_read, finished_at, created_at, next_check_at)
SELECT id, 1, state, '', '', false, '', '', 0, 0, '', 0, 0, created_at, created_at, created_at
FROM launches_launch WHERE job_id LIKE 'bench-%%';
ANALYZE;
"""
FILL_SHAPES = """
INSERT INTO catalog_basemodel (account_id, model_id, title, family, section, architecture, position, created_at)
SELECT a.id, 'bench-' || n, 'Bench ' || n, 'Bench', 'Bench', 'dense', 1000 + n, now()
FROM generate_series(1, %(rows)s / 5) n, accounts_account a WHERE a.account_id = 'fireworks';
INSERT INTO catalog_trainingshape (account_id, shape_id, base_model_id, display_name, id_source, position, search_text,
    created_at)
SELECT m.account_id, m.model_id || '-' || n, m.id, 'Policy trainer', 'derived', n,
    'policy trainer ' || m.model_id || '-' || n || ' ' || lower(m.title), now() - (5 * m.id + n) * interval '1 second'
FROM catalog_basemodel m, generate_series(1, 5) n WHERE m.model_id LIKE 'bench-%%';
INSERT INTO catalog_shapeversion (shape_id, version_id, snapshot, launch_fields, digest, state, is_public,
    is_latest_validated, published_at, deprecation_message, created_at, note)
SELECT s.id, lpad(to_hex(s.id), 8, '0'), v.snapshot || jsonb_build_object(
        'maxSupportedContextLength', 1024 * (1 + s.id %% 256), 'acceleratorCount', 1 + s.id %% 8), v.launch_fields,
    v.digest, 'VALIDATED', true, true, s.created_at, '', s.created_at, ''
FROM catalog_trainingshape s,
    (SELECT * FROM catalog_shapeversion ORDER BY id LIMIT 1) v
WHERE s.shape_id LIKE 'bench-%%';
ANALYZE;
"""
LAUNCH_QUERY = """
SELECT * FROM launches_launch JOIN launches_attempt t ON t.launch_id = launches_launch.id AND t.number = attempt_count
WHERE account_id = (SELECT id FROM accounts_account WHERE account_id = 'local') AND deleted_at IS NULL
ORDER BY launches_launch.created_at DESC, launches_launch.id DESC LIMIT 51
"""
SHAPE_QUERY = """
SELECT * FROM catalog_shapeversion v JOIN catalog_trainingshape s ON s.id = v.shape_id
JOIN catalog_basemodel m ON m.id = s.base_model_id WHERE v.is_latest_validated ORDER BY m.position, s.position LIMIT 101
"""
PAGES: dict[str, tuple[str, LiteralString]] = {
    "catalog": ("/", SHAPE_QUERY),
    "catalog, filtered": ("/?mode=POLICY_TRAINER&context=131072", SHAPE_QUERY),
    "catalog, text": ("/?q=bench-77", SHAPE_QUERY),
    "launches": ("/launches", LAUNCH_QUERY),
    "launches, failed": ("/launches?state=FAILED", LAUNCH_QUERY),
}


def main() -> None:
    """Print a table: milliseconds of each page, its ratio to the floor and to its query, before and after filling."""
    client = sign_in()
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as database:
        _measure("as installed", client, database)
        database.execute("SET synchronous_commit = off")
        with database.transaction(), psycopg.ClientCursor(database) as cursor:
            cursor.execute(FILL_LAUNCHES, {"rows": MANY_LAUNCHES, "spec": _some_spec(), "user": "admin"})
            cursor.execute(FILL_SHAPES, {"rows": MANY_SHAPES})
        _measure(f"with {MANY_LAUNCHES:,} launches and {MANY_SHAPES:,} shapes", client, database)


def _some_spec() -> str:
    """The spec of a real shape, resolved as the form does."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from catalog.models import ShapeVersion  # noqa: PLC0415 -- models can be imported only once Django is set up
    from launches.subjects import default_offer, subject_of  # noqa: PLC0415

    version = ShapeVersion.objects.select_related("shape__account", "shape__base_model__account").earliest("pk")
    spec, _ = default_offer(subject_of(version, None))
    return json.dumps(spec.as_json())


def _measure(title: str, client: httpx.Client, database: psycopg.Connection) -> None:
    print(f"\n{title}\n{'page':24}{'ms':>8}{'x floor':>10}{'x query':>10}{'kB':>8}")
    for name, (path, query) in PAGES.items():
        size = len(client.get(path).raise_for_status().content)
        page, floor, bare = interleaved(
            [
                partial(client.get, path),
                partial(client.get, "/healthz"),
                partial(_fetch, database, query),
            ],
            ROUNDS,
        )
        print(f"{name:24}{page * 1000:8.1f}{page / floor:10.1f}{page / bare:10.1f}{size / 1000:8.0f}")


def _fetch(database: psycopg.Connection, query: LiteralString) -> None:
    database.execute(query).fetchall()
