"""The operations by the names that they have on the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trainer.embeddings import EmbeddingPass
from trainer.errors import OperationError
from trainer.operations.create_model import create_model, unload_model
from trainer.operations.embed import run_embeddings
from trainer.operations.forward import run_pass
from trainer.operations.load_adapter import load_adapter
from trainer.operations.optim_step import optim_step
from trainer.operations.parts import Parts
from trainer.operations.sample import sample
from trainer.operations.shortage import ran_out, told_shortage
from trainer.operations.weights import load_weights, save_for_sampler, save_weights
from trainer.passes import Pass
from trainer.work import Answer, Later


def run_forward(parts: Parts, request: Pass | EmbeddingPass) -> dict[str, Any]:
    """By what is asked for: log-probabilities and their loss, or embeddings."""
    return run_embeddings(parts, request) if isinstance(request, EmbeddingPass) else run_pass(parts, request)


def run_operation(name: str, parts: Parts, request: Any) -> Answer | Later:
    """Run one; where memory runs out, say so, and drop gradients that were added up halfway."""
    try:
        with told_shortage(name, parts.group.size):
            return RUNNERS[name](parts, request)
    except OperationError as error:
        if ran_out(error) and name == "forward_backward":
            parts.host.get(request.model_id).drop_gradients()
        raise


RUNNERS: dict[str, Callable[[Parts, Any], Answer | Later]] = {
    "create_model": create_model,
    "forward": run_forward,
    "forward_backward": run_forward,
    "optim_step": optim_step,
    "save_weights": save_weights,
    "save_weights_for_sampler": save_for_sampler,
    "load_weights": load_weights,
    "load_adapter": load_adapter,
    "unload_model": unload_model,
    "sample": sample,
}
