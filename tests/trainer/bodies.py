"""Request bodies as a client sends them."""

from __future__ import annotations

from typing import Any

BASE_MODEL = "accounts/local/models/tiny-qwen3"


def make_datum(tokens: list[int], **inputs: list[float]) -> dict[str, Any]:
    """One datum on the wire; target_tokens default to the input itself."""
    given = {"target_tokens": tokens, **inputs}
    return {
        "model_input": {"chunks": [{"type": "encoded_text", "tokens": tokens}]},
        "loss_fn_inputs": {
            name: {"data": data, "dtype": "int64" if name == "target_tokens" else "float32", "shape": [len(data)]}
            for name, data in given.items()
        },
    }


def forward_body(
    model_id: str, data: list[dict[str, Any]], loss_fn: str = "cross_entropy", **config: Any
) -> dict[str, Any]:
    """The body of a forward; the same under `forward_backward_input` is that of a forward_backward."""
    given = {"data": data, "loss_fn": loss_fn, **({"loss_fn_config": config} if config else {})}
    return {"model_id": model_id, "forward_input": given, "forward_backward_input": given}


def step_body(model_id: str, normalization: str | None = None, **adam: float) -> dict[str, Any]:
    body: dict[str, Any] = {"model_id": model_id, "adam_params": {"learning_rate": 1e-3, **adam}}
    return body | ({"grad_accumulation_normalization": normalization} if normalization else {})
