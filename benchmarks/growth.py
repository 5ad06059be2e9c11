"""Whether pages take longer where there are many rows: each with 5,000, and with 1,000,000 launches and 200,000 shapes.

The floor is the page with few rows, so the ratio is how much it grew. Most of the time is filling. By itself, since
other measurements leave 100,000 rows behind.
"""

from __future__ import annotations

import os
from functools import partial

import httpx
import psycopg

from benchmarks.filling import fill_launches, fill_shapes
from benchmarks.noted import note
from benchmarks.results import Figure
from benchmarks.session import interleaved, sign_in

ROUNDS = 20
FEW, LAUNCHES, SHAPES = 5_000, 1_000_000, 200_000
FEW_TEXTS = {"models": "bench-77", "launches": "bench-77"}
MANY_TEXTS = {"models": "bench-1234", "launches": "bench-12345"}
"""Eleven base models and eleven launches are found by them, of few as of many."""
PAGES = {
    "catalog": "/",
    "catalog, filtered": "/?family=Bench&mode=lora&context=131072",
    "catalog, sorted": "/?sort=-context",
    "catalog, text": "/?q={models}",
    "shape": "/shapes/fireworks/bench-77-1",
    "launch form": "/shapes/fireworks/bench-77-1/launch",
    "launches": "/launches",
    "launches, failed": "/launches?state=FAILED",
    "launches, sorted": "/launches?sort=-loss",
    "launches, text": "/launches?q={launches}",
}


def main() -> None:
    """Print milliseconds of each page with few and with many rows."""
    client = sign_in()
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as database:
        fill_shapes(database, FEW)
        fill_launches(database, FEW)
        few = _measure(client, FEW_TEXTS)
        fill_shapes(database, SHAPES)
        fill_launches(database, LAUNCHES)
        many = _measure(client, MANY_TEXTS)
    print(f"{'page':24}{'few':>10}{'many':>10}")
    for name in PAGES:
        print(f"{name:24}{few[name] * 1000:7.1f} ms{many[name] * 1000:7.1f} ms{many[name] / few[name]:10.2f}")
        note(Figure(f"page, {name}, with many rows", many[name], few[name]))


def _measure(client: httpx.Client, texts: dict[str, str]) -> dict[str, float]:
    paths = [path.format(**texts) for path in PAGES.values()]
    for path in paths:
        client.get(path).raise_for_status()
    return dict(zip(PAGES, interleaved([partial(client.get, path) for path in paths], ROUNDS), strict=True))
