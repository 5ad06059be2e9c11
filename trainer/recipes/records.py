"""What a recipe puts on record among its steps. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class PlanRecord:
    """What a run will be. Rows count those that can be trained on; tokens are those of the training rows, cut ones cut.

    steps counts those from start_step on; left_out are rows without a token to learn, cut those that were longer than
    the context.
    """

    kind: str = "plan"
    step: int
    steps: int
    steps_an_epoch: int
    rows: int
    held_out: int
    left_out: int
    cut: int
    tokens_an_epoch: int


@dataclass(frozen=True, kw_only=True)
class EvaluationRecord:
    """How good the model is after `step`: the mean loss of the held-out rows, None where there are none; samples."""

    kind: str = "evaluation"
    step: int
    loss: float | None
    samples: Sequence[Any]
    seconds: float
