"""Page times with few and with 100,000 rows, beside a plain view of 50, the bare answer and the bare query.

plain   a plain Django view of 50 rows of the same table (`plain_page.py`); the floor
bare    GET /healthz: the server, the front door and the middleware, without a page
query   the page's main SQL alone, on a connection that is open
"""

from __future__ import annotations

import os
import statistics
from functools import partial
from typing import LiteralString

import httpx
import psycopg

from benchmarks.filling import ROWS, fill_launches, fill_shapes
from benchmarks.noted import note
from benchmarks.rates import note_rates, plain_path, plain_server
from benchmarks.results import Figure
from benchmarks.session import interleaved, queries_of, seconds_of, sign_in

ROUNDS = 30

LAUNCH_QUERY = """
SELECT * FROM launches_launch JOIN launches_attempt t ON t.launch_id = launches_launch.id AND t.number = attempt_count
WHERE account_id = (SELECT id FROM accounts_account WHERE account_id = 'local') AND deleted_at IS NULL
ORDER BY launches_launch.created_at DESC, launches_launch.id DESC LIMIT 51
"""
SHAPE_QUERY = """
SELECT * FROM catalog_shapeversion v JOIN catalog_trainingshape s ON s.id = v.shape_id
JOIN catalog_basemodel m ON m.id = s.base_model_id WHERE v.is_latest_validated ORDER BY m.position, s.position LIMIT 101
"""
CHANGE = "UPDATE catalog_basemodel SET title = %s WHERE model_id = 'bench-77'"
PAGES: dict[str, tuple[str, LiteralString]] = {
    "catalog": ("/", SHAPE_QUERY),
    "catalog, filtered": ("/?mode=POLICY_TRAINER&context=131072", SHAPE_QUERY),
    "catalog, text": ("/?q=bench-77", SHAPE_QUERY),
    "launches": ("/launches", LAUNCH_QUERY),
    "launches, failed": ("/launches?state=FAILED", LAUNCH_QUERY),
}


def main() -> None:
    """Print a table: milliseconds of each page, and its ratio to each of these, before and after filling."""
    client = sign_in()
    with (
        psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as database,
        plain_server() as address,
        httpx.Client(base_url=address) as plain,
    ):
        few = _measure("as installed", client, plain, database)
        fill_launches(database)
        fill_shapes(database)
        many = _measure(f"with {ROWS:,} launches and {ROWS:,} shapes", client, plain, database)
        first_views = _first_views(client, plain, database)
    for name, (path, _) in PAGES.items():
        rate = 1 / many[name][0]
        growth, queries = many[name][0] / few[name][0], queries_of(path, client)
        note(Figure(f"page, {name}", *many[name], rate=rate, queries=queries, growth=growth))
    note(first_views)
    note_rates({name: path for name, (path, _) in PAGES.items()}, client)


def _measure(
    title: str, client: httpx.Client, plain: httpx.Client, database: psycopg.Connection
) -> dict[str, tuple[float, float]]:
    """Seconds of each page and of the plain view."""
    found = {}
    print(f"\n{title}\n{'page':24}{'ms':>8}{'x plain':>10}{'x bare':>10}{'x query':>10}{'kB':>8}")
    for name, (path, query) in PAGES.items():
        size = len(client.get(path).raise_for_status().content)
        page, floor, bare, rows = interleaved(
            [
                partial(client.get, path),
                partial(plain.get, plain_path(name)),
                partial(client.get, "/healthz"),
                partial(_fetch, database, query),
            ],
            ROUNDS,
        )
        found[name] = (page, floor)
        ratios = f"{page / floor:10.1f}{page / bare:10.1f}{page / rows:10.1f}"
        print(f"{name:24}{page * 1000:8.1f}{ratios}{size / 1000:8.0f}")
    return found


def _first_views(client: httpx.Client, plain: httpx.Client, database: psycopg.Connection) -> Figure:
    """What the catalog takes where something was published just before, so that nothing of the page was kept."""
    taken = []
    for number in range(ROUNDS):
        database.execute(CHANGE, [f"Bench 77, {number}"])
        taken.append((seconds_of(partial(client.get, "/")), seconds_of(partial(plain.get, "/shapes"))))
    first, floor = (statistics.median(times) for times in zip(*taken, strict=True))
    print(f"\ncatalog, first after a change: {first * 1000:.1f} ms, {first / floor:.1f} times the plain view")
    return Figure("page, catalog, first after a change", first, floor)


def _fetch(database: psycopg.Connection, query: LiteralString) -> None:
    database.execute(query).fetchall()
