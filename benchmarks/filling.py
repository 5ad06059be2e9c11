"""100,000 launches, 100,000 shapes with a version each, and what else lists show, all of them made of one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, LiteralString

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
FROM launches_launch WHERE job_id ~ '^bench-[0-9]+$'
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


def fill_lists(database: psycopg.Connection, rows: int = ROWS) -> None:
    """Add datasets, trained models and deployments until account `local` has so many, and a thousandth of that as
    checkpoints of the launch `bench-1`, which is there.
    """
    if database.execute("SELECT 1 FROM datasets_dataset WHERE dataset_id = 'bench'").fetchone() is None:
        made = {"uid": "gen_random_uuid()", "created_at": "t.created_at - n * interval '1 second'"}
        for table, key, named in _one_of_each():
            number = rows // 1000 if table == "launches_checkpoint" else rows
            _copy(database, table, key, number, {**made, named: "'bench-' || n"})
        database.execute("VACUUM (ANALYZE)")


def _copy(database: psycopg.Connection, table: str, key: int, number: int, said: dict[str, str]) -> None:
    """So many rows like that of the key, but with what is said of their number `n` by SQL; none of them is due."""
    query = "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND column_name <> 'id'"
    names = [name for (name,) in database.execute(query, [table]).fetchall()]
    values = {name: f"t.{name}" for name in names} | {"next_check_at": "now() + interval '1 day'"} | said
    columns, selected = ", ".join(names), ", ".join(values[name] for name in names)
    rows = f"FROM {table} t, generate_series(1, {number}) n WHERE t.id = {key} ON CONFLICT DO NOTHING"
    database.execute(f"INSERT INTO {table} ({columns}) SELECT {selected} {rows}".encode())


def _one_of_each() -> Iterator[tuple[str, int, str]]:
    """A row of each kind, made now: its table, its key and the column of its name."""
    set_up_django()
    from django.utils import timezone  # noqa: PLC0415 -- models can be imported only once Django is set up

    from catalog.models import TrainedModel  # noqa: PLC0415
    from catalog.states import ModelKind, ModelState  # noqa: PLC0415
    from connections.providers.samplers import SamplerSpec  # noqa: PLC0415
    from datasets.models import Dataset  # noqa: PLC0415
    from datasets.states import DatasetState  # noqa: PLC0415
    from deployments.models import Deployment  # noqa: PLC0415
    from launches.models import Checkpoint, Launch  # noqa: PLC0415

    now, launch = timezone.now(), Launch.objects.get(job_id="bench-1")
    ours: Any = {"account": launch.account, "owner": launch.owner}
    file = {"size_bytes": 1, "received_bytes": 1, "sha256": "a" * 64, "format": "CHAT", "rows": 1}
    data = Dataset(dataset_id="bench", state=DatasetState.READY, finished_at=now, **file, **ours)
    provenance = {"launch": launch.name, "checkpoint": f"{launch.name}/checkpoints/bench", "by": "admin", "step": 20}
    adapter = {"kind": ModelKind.ADAPTER, "state": ModelState.READY, "lora_rank": 8, "provenance": provenance}
    base_model: str = launch.spec["base_model"]
    model = TrainedModel(
        account=launch.account, model_id="bench", base_model=base_model, root_model=base_model, size_bytes=1,
        files=[], checkpoint="bench", job_id=launch.job_id, search_text=" bench ", finished_at=now, **adapter,
    )  # fmt: skip
    spec = SamplerSpec("", "", base_model, None, None, 0, 1, 2048, None, None, "", 1800)
    deployment = Deployment(
        deployment_id="bench", shape_version=launch.shape_version, connection=launch.connection, serves=base_model,
        spec=spec.as_json(), min_replicas=1, max_replicas=1, replicas=0,
        state="READY", next_check_at=now + timedelta(days=1), **ours,
    )  # fmt: skip
    checkpoint = Checkpoint(launch=launch, kind="SAMPLER", name="bench", step=20, size_bytes=1, saved_at=now, files=[])
    for row, named in (
        (data, "dataset_id"), (model, "model_id"), (deployment, "deployment_id"), (checkpoint, "name")
    ):  # fmt: skip
        row.save()
        yield row._meta.db_table, row.pk, named


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
