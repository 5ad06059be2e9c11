"""100,000 launches and 100,000 shapes with a version each, all of them made of one that is there."""

from __future__ import annotations

import json
from typing import LiteralString

import psycopg

from benchmarks.session import set_up_django

ROWS = 100_000

FILL_LAUNCHES = """
INSERT INTO launches_launch (uid, account_id, job_id, owner_id, shape_version_id, display_name, spec, inputs,
    connection_id, idempotency_key, state, attempt_count, last_event, created_at, search_text, run_seconds, last_loss)
SELECT gen_random_uuid(), a.id, 'bench-' || n, u.id, v.id, 'bench ' || n, %(spec)s, '{}', c.id, 'bench-' || n,
    (ARRAY['COMPLETED','FAILED','CANCELLED'])[1 + n %% 3], 1, 1, now() - n * interval '1 second',
    ' bench ' || n || ' bench-' || n, n::bigint * 7919 %% 86400,
    CASE WHEN n %% 100 > 0 THEN n::bigint * 7919 %% 1000 / 100.0 END
FROM generate_series(1, %(rows)s) n, accounts_account a, accounts_user u, connections_connection c,
    (SELECT id FROM catalog_shapeversion ORDER BY id LIMIT 1) v
WHERE a.account_id = 'local' AND u.username = %(user)s AND c.name = 'local'
ON CONFLICT DO NOTHING;
INSERT INTO launches_attempt (launch_id, number, state, reason, detail, ready, endpoint, resume_from, failures,
    progress_read, log_tail, log_offset, metrics_read, metrics_offset, finished_at, created_at, next_check_at)
SELECT id, 1, state, '', '', false, '', '', 0, 0, '', 0, 0, 0, created_at, created_at, created_at
FROM launches_launch WHERE job_id LIKE 'bench-%%'
ON CONFLICT DO NOTHING;
ANALYZE;
"""
FILL_DEPLOYMENTS = """
INSERT INTO deployments_deployment (uid, account_id, deployment_id, owner_id, shape_version_id, connection_id,
    trainer_id, spec, serves, loaded, said, min_replicas, max_replicas, replicas, ready_replicas, start, running,
    stop_asked, state, detail, endpoint, remote_name, events, log_tail, log_offset, failures, created_at, updated_at,
    finished_at)
SELECT gen_random_uuid(), account_id, 'bench-' || n, owner_id, shape_version_id, connection_id,
    CASE WHEN n > %(rows)s - 20 THEN (SELECT min(id) FROM launches_launch) END, spec, serves || '-' || n, '', '{}', 0,
    1, CASE WHEN n > %(rows)s - 20 THEN 0 ELSE 1 END, 0, 0, false, false,
    CASE WHEN n <= %(rows)s / 2 THEN 'DELETED' WHEN n > %(rows)s - 20 THEN 'FAILED' ELSE 'READY' END, '', '', '', '[]',
    '', 0, 0, created_at - n * interval '1 second', now(), CASE WHEN n <= %(rows)s / 2 THEN now() END
FROM generate_series(1, %(rows)s) n, deployments_deployment WHERE deployment_id = 'dep';
ANALYZE;
"""
"""Of the deployment `dep`: the newer half are deleted, and the oldest twenty asleep, failed and a launch's."""
FILL_SHAPES = """
INSERT INTO catalog_basemodel (account_id, model_id, title, family, section, architecture, position, created_at,
    aliases, search_text)
SELECT a.id, 'bench-' || n, 'Bench ' || n, 'Bench', 'Bench', 'dense', 1000 + n, now(), ARRAY[]::varchar[],
    ' bench ' || n || ' '
FROM generate_series(1, %(rows)s / 5) n, accounts_account a WHERE a.account_id = 'fireworks'
ON CONFLICT DO NOTHING;
INSERT INTO catalog_trainingshape (account_id, shape_id, base_model_id, display_name, id_source, position, search_text,
    created_at)
SELECT m.account_id, m.model_id || '-' || n, m.id, 'Policy trainer', 'derived', n,
    ' policy trainer ' || m.search_text || n || ' ' || m.search_text, now() - (5 * m.id + n) * interval '1 second'
FROM catalog_basemodel m, generate_series(1, 5) n WHERE m.model_id LIKE 'bench-%%'
ON CONFLICT DO NOTHING;
INSERT INTO catalog_shapeversion (shape_id, version_id, snapshot, launch_fields, fields_edition, digest, state,
    is_public, is_latest_validated, published_at, deprecation_message, created_at, note)
SELECT s.id, lpad(to_hex(s.id), 8, '0'), v.snapshot || jsonb_build_object(
        'maxSupportedContextLength', 1024 * (1 + s.id %% 256), 'acceleratorCount', 1 + s.id %% 8), v.launch_fields,
    v.fields_edition, v.digest, 'VALIDATED', true, true, s.created_at, '', s.created_at, ''
FROM catalog_trainingshape s,
    (SELECT * FROM catalog_shapeversion ORDER BY id LIMIT 1) v
WHERE s.shape_id LIKE 'bench-%%'
ON CONFLICT DO NOTHING;
ANALYZE;
"""


def fill_launches(database: psycopg.Connection, rows: int = ROWS) -> None:
    """Add launches until there are so many, each over, with one attempt."""
    if database.execute("SELECT 1 FROM launches_launch WHERE job_id = %s", [f"bench-{rows}"]).fetchone() is None:
        _fill(database, FILL_LAUNCHES, {"rows": rows, "spec": _some_spec(), "user": "admin"})


def fill_shapes(database: psycopg.Connection, rows: int = ROWS) -> None:
    """Add shapes until there are so many, five to a base model."""
    last = f"bench-{rows // 5}-1"
    if database.execute("SELECT 1 FROM catalog_trainingshape WHERE shape_id = %s", [last]).fetchone() is None:
        _fill(database, FILL_SHAPES, {"rows": rows})


def _fill(database: psycopg.Connection, statements: LiteralString, values: dict[str, int | str]) -> None:
    database.execute("SET synchronous_commit = off")
    with database.transaction(), psycopg.ClientCursor(database) as cursor:
        cursor.execute(statements, values)
    database.execute("VACUUM (ANALYZE)")  # else autovacuum does it within minutes, in the midst of a measurement


def _some_spec() -> str:
    """The spec of a real shape, resolved as the form does."""
    set_up_django()
    from catalog.models import ShapeVersion  # noqa: PLC0415 -- models can be imported only once Django is set up
    from launches.placement import connections_of, default_offer  # noqa: PLC0415
    from launches.subjects import bare_subject  # noqa: PLC0415

    version = ShapeVersion.objects.select_related("shape__account", "shape__base_model__account").earliest("pk")
    spec, _ = default_offer(bare_subject(version), connections_of(None))
    return json.dumps(spec.as_json())
