"""Tokens of a dataset by a model's own tokenizer, counted by a process of the trainer's environment."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from connections.providers.errors import Retryable
from connections.providers.local.lent import LentProcess
from connections.providers.optional import TokenLengths
from connections.providers.trainer_files import reading
from connections.providers.trainer_files.values import printable

DATASET = "dataset.jsonl"
SAMPLES = "samples"
SAMPLES_FILE = "rows.json"
SECONDS = 1800.0
MOST_COUNTS = 32
MOST_SAMPLES, MOST_SEQUENCES, LONGEST_NAME = 3, 2, 20


def count_tokens(process: LentProcess, base_model: str, dataset: Path, seconds: float = SECONDS) -> TokenLengths:
    """How long its rows are. Errors: `Rejected`, where the same will never do; `Retryable`, `OSError`."""

    def fill(directory: Path) -> dict[str, Any]:
        shutil.copyfile(dataset, directory / DATASET)
        return {"dataset": str(directory / DATASET), "samples": str(directory / SAMPLES / SAMPLES_FILE)}

    with process.ended("count", base_model, fill, seconds, own=(SAMPLES,)) as (directory, told):
        counts, tokens, longest = told.get("counts"), told.get("tokens"), told.get("longest")
        if not isinstance(counts, list) or len(counts) > MOST_COUNTS or not all(map(_is_count, counts)):
            raise Retryable("The count told no numbers.")
        if not (_is_count(tokens) and _is_count(longest)):
            raise Retryable("The count told no numbers.")
        return TokenLengths(counts, int(tokens or 0), int(longest or 0), list(_samples(directory / SAMPLES)))


def _samples(folder: Path) -> Iterator[dict[str, Any]]:
    """What it wrote of the first rows, value by value; none where it is anything else."""
    try:
        with reading.open_regular(folder / SAMPLES_FILE) as file:
            rows = (reading.read_object(file) or {}).get("rows")
    except OSError:
        return
    for row in rows[:MOST_SAMPLES] if isinstance(rows, list) else []:
        if isinstance(row, dict) and _is_count(row.get("line")) and isinstance(row.get("sequences"), list):
            yield {"line": row["line"], "sequences": [*_sequences(row["sequences"])]}


def _sequences(told: list[Any]) -> Iterator[dict[str, Any]]:
    for each in told[:MOST_SEQUENCES]:
        if isinstance(each, dict) and _is_count(each.get("tokens")) and _is_count(each.get("learnt")):
            parts = each.get("parts")
            yield {
                "name": printable(str(each.get("name", ""))[:LONGEST_NAME]),
                "tokens": each["tokens"],
                "learnt": each["learnt"],
                "is_cut": each.get("is_cut") is True,
                "parts": [
                    [printable(part[0]), part[1] is True]
                    for part in (parts if isinstance(parts, list) else [])
                    if isinstance(part, list) and len(part) == len(("text", "is learnt")) and isinstance(part[0], str)
                ],
            }


def _is_count(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < 2**62
