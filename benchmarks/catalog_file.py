"""A catalog file of 1,000 shapes of which every one changed, applied among 100,000 others, beside bare INSERTs.

applied   the verb in this process, from the document that was read to the commit; each round changes every shape
floor     one INSERT for each of those versions, in one transaction
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import time
from typing import LiteralString

import psycopg

from benchmarks.filling import ROWS, fill_shapes
from benchmarks.noted import note
from benchmarks.results import Figure
from benchmarks.session import set_up_django

ACCOUNT = "bench-file"
MODELS, SHAPES_OF_EACH = 200, 5
SHAPES = MODELS * SHAPES_OF_EACH
ROUNDS = 5
SHORTEST_CONTEXT = 131_072

_COLUMNS: LiteralString = (
    "shape_id, version_id, snapshot, launch_fields, fields_edition, digest, state, is_public, is_latest_validated, "
    "published_at, deprecation_message, created_at, note"
)
VERSIONS: LiteralString = """
SELECT v.shape_id, lpad(to_hex(v.id), 8, 'f'), snapshot::text, launch_fields::text, fields_edition, digest, state,
    is_public, false, published_at, deprecation_message, v.created_at, note
FROM catalog_shapeversion v JOIN catalog_trainingshape s ON s.id = v.shape_id
JOIN accounts_account a ON a.id = s.account_id WHERE a.account_id = %s AND v.is_latest_validated
"""
INSERT: LiteralString = f"""
INSERT INTO catalog_shapeversion ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


def main() -> None:
    """Print and note what it took beside its floor."""
    set_up_django()
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as database:
        fill_shapes(database)
        _apply(0)
        taken = [(_apply(number), _insert(database)) for number in range(1, ROUNDS + 1)]
    took, floor = (statistics.median(times) for times in zip(*taken, strict=True))
    print(f"\n{SHAPES:,} changed shapes among {ROWS:,}: {took:.2f} s, INSERTs {floor:.2f} s, {took / floor:.1f} times")
    note(Figure(f"catalog file of {SHAPES:,} changed shapes applied", took, floor))


def _apply(number: int) -> float:
    """Seconds of applying the file with another context than in any other round."""
    from accounts.actors import SYSTEM  # noqa: PLC0415 -- once Django is set up
    from catalog.domain.apply_catalog import apply_catalog  # noqa: PLC0415
    from catalog.files.reader import read_file  # noqa: PLC0415

    data = _file(SHORTEST_CONTEXT + 1024 * number)
    digest, document = hashlib.sha256(data).hexdigest(), read_file(data, source="bench.yaml")
    began = time.perf_counter()
    done = apply_catalog(actor=SYSTEM, document=document, file=digest, source="bench.yaml")
    seconds = time.perf_counter() - began
    if len(done.steps) < SHAPES:
        raise RuntimeError(f"The file changed {len(done.steps)} things, where each shape was to change.")
    return seconds


def _file(tokens: int) -> bytes:
    """JSON, which is YAML, too."""
    shape = {
        "id_source": "document",
        "trainer_mode": "LORA_TRAINER",
        "label": "LoRA trainer",
        "context_label": f"{tokens // 1024}k",
        "max_supported_context_length": tokens,
        "gpus": 2,
    }
    models = [
        {
            "model": f"accounts/{ACCOUNT}/models/file-{model}",
            "title": f"File {model}",
            "family": "File",
            "section": "File",
            "architecture": "dense",
            "shapes": [{"id": f"file-{model}-{number}", **shape} for number in range(SHAPES_OF_EACH)],
        }
        for model in range(MODELS)
    ]
    return json.dumps({"account": ACCOUNT, "display_name": "File", "public": True, "models": models}).encode()


def _insert(database: psycopg.Connection) -> float:
    """Seconds of the INSERTs, which are not kept."""
    rows = database.execute(VERSIONS, [ACCOUNT]).fetchall()
    if len(rows) != SHAPES:
        raise RuntimeError(f"There are {len(rows)} versions, where the file has {SHAPES}.")
    with database.transaction(force_rollback=True):
        began = time.perf_counter()
        for row in rows:
            database.execute(INSERT, row)
        return time.perf_counter() - began
