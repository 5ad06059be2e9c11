"""What a recipe's trainer puts on record besides its steps: what the run will be, and how good the model is. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class RunPlan:
    """What a run on a dataset will be; None where the trainer does not say. Of tokens those of the training rows.

    `left_out` are rows without a token to learn, `cut` those that were longer than the context.
    """

    number: int
    steps: int
    steps_an_epoch: int | None
    rows: int | None
    held_out: int | None
    left_out: int | None
    cut: int | None
    tokens_an_epoch: int | None


@dataclass(frozen=True)
class Sample:
    """What the model was asked, what the row says, and what it answered."""

    prompt: str
    expected: str
    answer: str


@dataclass(frozen=True)
class EvaluationRecord:
    """The model after `step`: the mean loss of the held-out rows, None where there are none, and samples."""

    number: int
    step: int
    loss: float | None
    samples: tuple[Sample, ...]
    recorded_at: datetime
