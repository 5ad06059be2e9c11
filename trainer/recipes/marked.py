"""A row as the model reads it, with what is trained on marked: for people, before anything is trained."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from trainer.recipes.formats import PREFERENCE, Formatter, Row, Sequenced, format_of

MOST_TOKENS = 300
"""Of a sequence that are shown."""


def marked(formatter: Formatter, row: Row, line: int) -> dict[str, Any]:
    """The line and its `sequences`: both answers of a pair, else the one. Raises DatasetError."""
    if format_of(row, line) == PREFERENCE:
        named = dict(zip(("chosen", "rejected"), formatter.pair(row, line), strict=True))
    else:
        named = {"": formatter.sequence(row, line)}
    return {"line": line, "sequences": [_marked(formatter, name, each) for name, each in named.items()]}


def _marked(formatter: Formatter, name: str, sequence: Sequenced) -> dict[str, Any]:
    """How many tokens it has, how many of them are learnt, and the first ones in `parts` of a text and whether so."""
    weighted = [(token, weight > 0) for token, weight in zip(sequence.tokens, sequence.weights, strict=True)]
    parts = [
        [formatter.tokenizer.decode([token for token, _ in run], clean_up_tokenization_spaces=False), is_learnt]
        for is_learnt, run in groupby(weighted[:MOST_TOKENS], key=lambda each: each[1])
    ]
    return {
        "name": name,
        "tokens": len(weighted),
        "learnt": sum(is_learnt for _, is_learnt in weighted),
        "is_cut": len(weighted) > MOST_TOKENS,
        "parts": parts,
    }
