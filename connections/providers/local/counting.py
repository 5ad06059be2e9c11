"""Tokens of a dataset by a model's own tokenizer, counted by a process of the trainer's environment."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from connections.providers.base import Retryable, TokenLengths
from connections.providers.local.lent import LentProcess

DATASET = "dataset.jsonl"
SECONDS = 1800.0
MOST_COUNTS = 32


def count_tokens(process: LentProcess, base_model: str, dataset: Path, seconds: float = SECONDS) -> TokenLengths:
    """How long its rows are. Errors: `Rejected`, where the same will never do; `Retryable`, `OSError`."""

    def fill(directory: Path) -> dict[str, Any]:
        shutil.copyfile(dataset, directory / DATASET)
        return {"dataset": str(directory / DATASET)}

    with process.ended("count", base_model, fill, seconds) as (_, told):
        counts, tokens, longest = told.get("counts"), told.get("tokens"), told.get("longest")
        if not isinstance(counts, list) or len(counts) > MOST_COUNTS or not all(map(_is_count, counts)):
            raise Retryable("The count told no numbers.")
        if not (_is_count(tokens) and _is_count(longest)):
            raise Retryable("The count told no numbers.")
        return TokenLengths(counts, int(tokens or 0), int(longest or 0))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < 2**62
