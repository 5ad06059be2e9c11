"""The operations by the names that they have on the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trainer.embeddings import EmbeddingPass
from trainer.errors import OperationError, OutOfStepError
from trainer.memory import is_out_of_memory, within_memory
from trainer.operations.create_model import create_model, unload_model
from trainer.operations.embed import run_embeddings
from trainer.operations.forward import run_pass
from trainer.operations.load_adapter import load_adapter
from trainer.operations.optim_step import optim_step
from trainer.operations.parts import Parts
from trainer.operations.sample import sample
from trainer.operations.weights import load_weights, save_for_sampler, save_weights
from trainer.passes import Pass
from trainer.work import Answer, Later


def run_forward(parts: Parts, request: Pass | EmbeddingPass) -> dict[str, Any]:
    """By what is asked for: log-probabilities and their loss, or embeddings."""
    return run_embeddings(parts, request) if isinstance(request, EmbeddingPass) else run_pass(parts, request)


_SHORTER = "Send shorter sequences, train a LoRA adapter, or launch a shape with more memory."
_LARGER = "Unload other models, or launch a shape with more memory."
MEMORY_OF = {
    "create_model": ("the parameters of another model", _LARGER),
    "forward": ("what a forward pass over these sequences computes", _SHORTER),
    "forward_backward": ("the activations of these sequences and the gradients", _SHORTER),
    "optim_step": ("the moments of the optimizer", _LARGER),
    "save_weights": ("a copy of what is saved", _LARGER),
}
"""By operation what its memory goes to, and what helps where it does not suffice."""


def run_operation(name: str, parts: Parts, request: Any) -> Answer | Later:
    """Run one; where memory runs out, raise OperationError, and drop gradients that were added up halfway.

    With several ranks that is an OutOfStepError: the others wait for what this one will not compute.
    """
    part, remedy = MEMORY_OF.get(name, (f"{name}", _LARGER))
    try:
        with within_memory(part, remedy):
            return RUNNERS[name](parts, request)
    except OperationError as error:
        # A full disk has a RuntimeError of torch's as its cause, too, and no rank is out of step by it.
        ran_out = error.__cause__ is not None and is_out_of_memory(error.__cause__)
        if ran_out and parts.group.size > 1:
            raise OutOfStepError(error.detail) from error
        if ran_out and name == "forward_backward":
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
