"""A sequence as the wire has it. Pure."""

from __future__ import annotations

from typing import Any

Datum = dict[str, Any]


def make_datum(tokens: list[int], weights: list[float]) -> Datum:
    """One datum on the wire: inputs are all tokens of a sequence but the last, targets all but the first."""
    length = len(tokens) - 1
    return {
        "model_input": {"chunks": [{"type": "encoded_text", "tokens": tokens[:-1]}]},
        "loss_fn_inputs": {
            "target_tokens": {"data": tokens[1:], "dtype": "int64", "shape": [length]},
            "weights": {"data": weights, "dtype": "float32", "shape": [length]},
        },
    }
