"""What lists of the API cost where there are 100,000 rows of each, beside their bare SQL.

SQL      the rows of the page alone, on a connection that is open; the API adds the key, the count and the JSON
first    the same where something of the catalog was written just before, so that no answer was kept
queries  what one such request asks the database
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import LiteralString
from urllib.parse import quote

import httpx
import psycopg

from benchmarks.callers import OpenCaller
from benchmarks.filling import ROWS, fill_launches, fill_lists, fill_shapes
from benchmarks.noted import note
from benchmarks.results import Figure
from benchmarks.session import call_here, interleaved, queries_here, seconds_of

ROUNDS = 100
"""The median is of so many that those before a connection has the query prepared, five of each, do not matter."""
MODEL = "accounts/fireworks/models/bench-777"
SHAPES_PATH = "/v1/accounts/-/trainingShapes"
VERSIONS_PATH = f"{SHAPES_PATH}/-/versions"
OURS = "/v1/accounts/local"
JOBS_PATH = f"{OURS}/rlorTrainerJobs"

CHANGE: LiteralString = "UPDATE catalog_basemodel SET title = %s WHERE model_id = 'bench-77'"
VERSION_ROWS: LiteralString = """
SELECT * FROM catalog_shapeversion v JOIN catalog_trainingshape s ON s.id = v.shape_id
JOIN accounts_account a ON a.id = s.account_id JOIN catalog_basemodel m ON m.id = s.base_model_id
JOIN accounts_account o ON o.id = m.account_id WHERE v.is_public AND v.state = 'VALIDATED'
"""
OF_MODEL: LiteralString = " AND m.model_id = 'bench-777' AND o.account_id = 'fireworks'"
NEWEST_VERSIONS: LiteralString = " ORDER BY v.created_at DESC, v.id DESC LIMIT 51"
NEWEST_SHAPES: LiteralString = " ORDER BY s.created_at DESC, s.id DESC LIMIT 51"
LATEST: LiteralString = " AND v.is_latest_validated"

OF_CATALOG: Mapping[str, tuple[str, LiteralString]] = {
    "shapes": (SHAPES_PATH, VERSION_ROWS + LATEST + NEWEST_SHAPES),
    "shapes of a model": (
        f'{SHAPES_PATH}?filter=base_model="{MODEL}"',
        VERSION_ROWS + LATEST + OF_MODEL + NEWEST_SHAPES,
    ),
    "versions": (VERSIONS_PATH, VERSION_ROWS + NEWEST_VERSIONS),
    "versions, the latest of a model": (
        f'{VERSIONS_PATH}?filter=latest_validated=true AND snapshot.base_model="{MODEL}"',
        VERSION_ROWS + LATEST + OF_MODEL + NEWEST_VERSIONS,
    ),
}
"""Paths, and the SQL of their rows."""

SEEN: LiteralString = """
EXISTS (SELECT 1 FROM catalog_shapeversion v JOIN catalog_trainingshape s ON s.id = v.shape_id
WHERE s.base_model_id = m.id AND v.is_public AND v.state = 'VALIDATED')
"""
LAUNCH_ROWS: LiteralString = """
SELECT * FROM launches_launch l JOIN accounts_account a ON a.id = l.account_id JOIN accounts_user u ON u.id = l.owner_id
JOIN connections_connection c ON c.id = l.connection_id WHERE l.account_id = %(local)s AND l.deleted_at IS NULL
"""
NEWEST_LAUNCHES: LiteralString = " ORDER BY l.created_at DESC, l.id DESC LIMIT 51"
BEHIND_FIRST: LiteralString = """
 AND (l.created_at, l.id) < (SELECT created_at, id FROM launches_launch WHERE job_id = 'bench-50')
"""
ATTEMPTS: LiteralString = "SELECT * FROM launches_attempt WHERE launch_id = ANY(%(found)s)"
OF_ONE_ACCOUNT: Mapping[str, tuple[str, Sequence[LiteralString]]] = {
    "jobs": (
        JOBS_PATH,
        (LAUNCH_ROWS + NEWEST_LAUNCHES, ATTEMPTS),
    ),
    "jobs, behind a token": (
        f"{JOBS_PATH}?pageToken=",
        (LAUNCH_ROWS + BEHIND_FIRST + NEWEST_LAUNCHES, ATTEMPTS),
    ),
    "checkpoints": (
        f"{JOBS_PATH}/bench-1/checkpoints",
        (
            """
SELECT * FROM launches_checkpoint p JOIN launches_launch l ON l.id = p.launch_id JOIN accounts_account a
ON a.id = l.account_id WHERE l.job_id = 'bench-1' AND NOT p.writing ORDER BY p.saved_at, p.id LIMIT 51
""",
        ),
    ),
    "datasets": (
        f"{OURS}/datasets",
        (
            """
SELECT * FROM datasets_dataset d JOIN accounts_account a ON a.id = d.account_id JOIN accounts_user u
ON u.id = d.owner_id WHERE d.account_id = %(local)s AND d.state <> 'DELETED'
ORDER BY d.created_at DESC, d.id DESC LIMIT 51
""",
        ),
    ),
    "deployments": (
        f"{OURS}/deployments",
        (
            """
SELECT * FROM deployments_deployment d JOIN accounts_account a ON a.id = d.account_id JOIN accounts_user u
ON u.id = d.owner_id JOIN connections_connection c ON c.id = d.connection_id
WHERE d.account_id = %(local)s AND d.state <> 'DELETED' ORDER BY d.created_at DESC, d.id DESC LIMIT 51
""",
        ),
    ),
    "base models": (
        "/v1/accounts/fireworks/models",
        (
            f"""
SELECT * FROM catalog_basemodel m JOIN accounts_account a ON a.id = m.account_id
WHERE m.account_id = %(fireworks)s AND {SEEN}
ORDER BY m.model_id, m.id LIMIT 51
""",
        ),
    ),
    "models": (
        f"{OURS}/models",
        (
            """
SELECT * FROM catalog_basemodel m JOIN accounts_account a ON a.id = m.account_id
WHERE m.account_id = %(local)s ORDER BY m.model_id, m.id LIMIT 51
""",
            """
SELECT * FROM catalog_trainedmodel m JOIN accounts_account a ON a.id = m.account_id
WHERE m.account_id = %(local)s ORDER BY m.model_id, m.id LIMIT 51
""",
        ),
    ),
}
"""The same of what an account has; of several queries where rows of several tables are shown, `found` being the keys
that the one before found. A path that ends in `pageToken=` is that of its list's second page.
"""


def measure_lists(client: httpx.Client, caller: OpenCaller, database: psycopg.Connection) -> None:
    """Print each figure beside its floor."""
    fill_shapes(database)
    keys: dict[str, int] = dict(database.execute("SELECT account_id, id FROM accounts_account").fetchall())
    heads = f"{'list':34}{'ms':>8}{'SQL ms':>9}{'ratio':>8}{'queries':>9}{'first ms':>10}{'ratio':>8}"
    print(f"\nlists at {ROWS:,} rows\n{heads}")
    for name, (path, rows) in OF_CATALOG.items():
        _compare(name, path, partial(_fetch, database, [rows], keys), client, caller)
        first_queries = _queries_after_a_change(path, client, database)
        first, floor = _first_answers(partial(_get, caller, path), partial(_fetch, database, [rows], keys), database)
        print(f"{first * 1000:10.1f}{first / floor:8.1f}")
        note(Figure(f"API, list of {name}, first after a change", first, floor, queries=first_queries))
    fill_launches(database)
    fill_lists(database)
    caller.close()  # as the server does by itself with one on which nothing comes for so long; it opens anew
    for name, (path, queries) in OF_ONE_ACCOUNT.items():
        _compare(name, _with_token(path, client), partial(_fetch, database, queries, keys), client, caller)
        print()


def _compare(name: str, path: str, fetch: Callable[[], None], client: httpx.Client, caller: OpenCaller) -> None:
    took, least = interleaved([partial(_get, caller, path), fetch], ROUNDS)
    asked = partial(call_here, "get", path, client)
    asked()  # what is kept is kept by now
    queries = queries_here(asked)
    print(f"{name:34}{took * 1000:8.1f}{least * 1000:9.1f}{took / least:8.1f}{queries:9}", end="")
    note(Figure(f"API, list of {name}", took, least, rate=1 / took, queries=queries))


def _with_token(path: str, client: httpx.Client) -> str:
    """The path, with the token of the second page where it asks for that."""
    first, asks, _ = path.partition("?pageToken=")
    return path + quote(client.get(first).raise_for_status().json()["nextPageToken"]) if asks else path


def _queries_after_a_change(path: str, client: httpx.Client, database: psycopg.Connection) -> int:
    database.execute(CHANGE, ["Bench 77"])
    return queries_here(partial(call_here, "get", path, client))


def _first_answers(
    ask: Callable[[], None], fetch: Callable[[], None], database: psycopg.Connection
) -> tuple[float, float]:
    """Median seconds of an answer that was not kept, and of its SQL."""
    taken = []
    for number in range(ROUNDS):
        database.execute(CHANGE, [f"Bench 77, {number}"])
        taken.append((seconds_of(ask), seconds_of(fetch)))
    first, floor = (statistics.median(times) for times in zip(*taken, strict=True))
    return first, floor


def _get(caller: OpenCaller, path: str) -> None:
    caller.ask("GET", quote(path, safe="/?=&%"))


def _fetch(database: psycopg.Connection, queries: Sequence[LiteralString], keys: Mapping[str, int]) -> None:
    found: list[int] = []
    for query in queries:
        found = [row[0] for row in database.execute(query, {**keys, "found": found}).fetchall()]
