"""Promotions that a connection makes where its weights lie: the model stays there, and is known by its name there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class PromotionThere:
    """How far it is. `name` is the model's resource name there, `operation` what is asked for it again by.

    `failure` says why it came to nothing. Once it is done, `lora_rank` and `target_modules` are an adapter's, as far as
    they are told.
    """

    name: str
    operation: str = ""
    done: bool = False
    failure: str = ""
    lora_rank: int = 0
    target_modules: tuple[str, ...] = ()


@runtime_checkable
class PromotesThere(Protocol):
    """A provider of a connection that keeps the weights: a kind whose weights can be read here simply is none."""

    def promote(self, account: str, job: str, checkpoint: str, *, model: str, base_model: str) -> PromotionThere:
        """Make a model of what the job saved for sampling; `model` is its id here, of which the one there is made.

        The same again is the same model. Errors: `Gone`, `Rejected` where the same will never do, `Retryable`.
        """

    def promotion(self, account: str, model: str, operation: str) -> PromotionThere | None:
        """What became of it; None where the operation is not known there (any more). Errors: `Retryable`."""
