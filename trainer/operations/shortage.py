"""What is said where memory runs out in an operation: for which part of it, and what helps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from trainer.errors import OperationError, OutOfStepError
from trainer.memory import is_out_of_memory, within_memory

_SHORTER = "Send shorter sequences, train a LoRA adapter, or launch a shape with more memory."
_LARGER = "Unload other models, or launch a shape with more memory."
MEMORY_OF = {
    "create_model": ("the parameters of another model", _LARGER),
    "forward": ("what a forward pass over these sequences computes", _SHORTER),
    "forward_backward": ("the activations of these sequences and the gradients", _SHORTER),
    "optim_step": ("the moments of the optimizer", _LARGER),
    "save_weights": ("what is written of a checkpoint", _LARGER),
    "save_weights_for_sampler": ("what is written of weights for a sampler", _LARGER),
}
"""By operation what its memory goes to, and what helps where it does not suffice."""


@contextmanager
def told_shortage(operation: str, ranks: int) -> Iterator[None]:
    """Turn what torch says where memory runs out into an OperationError.

    With several ranks that is an OutOfStepError: the others wait for what this one will not do.
    """
    part, remedy = MEMORY_OF.get(operation, (operation, _LARGER))
    try:
        with within_memory(part, remedy):
            yield
    except OperationError as error:
        if ran_out(error) and ranks > 1:
            raise OutOfStepError(error.detail) from error
        raise


def ran_out(error: OperationError) -> bool:
    """Whether it was memory. A full disk has a RuntimeError of torch's as its cause, too."""
    return error.__cause__ is not None and is_out_of_memory(error.__cause__)
