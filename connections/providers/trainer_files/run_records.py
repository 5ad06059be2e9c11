"""What a recipe put on record besides its steps, hostile until it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from connections.providers.evaluations import EvaluationRecord, RunPlan, Sample
from connections.providers.trainer_files import values

MOST_SAMPLES = 8
LONGEST_TEXT = 2000


def _plan(record: dict[str, Any]) -> RunPlan | None:
    number, steps = values.number(record.get("number")), values.number(record.get("steps"))
    if number is None or steps is None:
        return None
    names = ("steps_an_epoch", "rows", "held_out", "left_out", "cut", "tokens_an_epoch")
    return RunPlan(number=number, steps=steps, **{name: values.integer(record.get(name)) for name in names})


def _evaluation(record: dict[str, Any]) -> EvaluationRecord | None:
    number, step = values.number(record.get("number")), values.number(record.get("step"))
    at, samples = values.moment(record.get("time")), record.get("samples")
    if number is None or step is None or at is None:
        return None
    told = samples[:MOST_SAMPLES] if isinstance(samples, list) else []
    found = tuple(_sample(each) for each in told if isinstance(each, dict))
    return EvaluationRecord(number, step, values.finite(record.get("loss")), found, at)


def _sample(told: dict[str, Any]) -> Sample:
    texts = (told.get(name) for name in ("prompt", "expected", "answer"))
    return Sample(*(values.printable(text[:LONGEST_TEXT]) if isinstance(text, str) else "" for text in texts))


READERS: Mapping[str, Callable[[dict[str, Any]], EvaluationRecord | RunPlan | None]] = {
    "plan": _plan,
    "evaluation": _evaluation,
}
"""By the kind that a record says."""
