"""How a run on a dataset goes, as its page shows it: how far, how long yet, how good, what the model answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from catalog.labels import duration_label
from connections.providers.checkpoints import CheckpointKind
from connections.providers.spec import TrainerSpec
from launches.models import Checkpoint, Evaluation, Launch, Metric
from launches.series import AttemptRecords, evaluations_of, with_samples

TIMED = 20
"""Of how many of the newest steps the pace is told."""


@dataclass(frozen=True)
class SampleRow:
    """What was asked, what its row says, what the model answered before the first step, and what it answers now."""

    prompt: str
    expected: str
    before: str
    after: str


def shown_evaluations(series: Sequence[AttemptRecords], checkpoints: Sequence[Checkpoint]) -> dict[str, Any]:
    """The evaluations, the best of those whose weights can become a model, and the samples. Two queries at most."""
    found = evaluations_of(series)
    sampled = with_samples(found) if found else []
    best = best_of(found, checkpoints)
    return {
        "evaluations": found,
        "newest_evaluation": found[-1] if found else None,
        "best": best,
        "sampled": sampled,
        "samples": _rows(sampled),
    }


def best_of(evaluations: Sequence[Evaluation], checkpoints: Sequence[Checkpoint]) -> Checkpoint | None:
    """Of the weights that can become a model those with the lowest loss of the held-out rows; of several the first."""
    losses = {each.step: each.loss for each in evaluations if each.loss is not None}
    kept = [one for one in checkpoints if one.kind == CheckpointKind.SAMPLER and one.promotable and one.step in losses]
    return min(kept, key=lambda one: (losses[one.step], one.step), default=None)


def progress_of(launch: Launch, spec: TrainerSpec, metrics: Sequence[Metric], *, runs: bool) -> dict[str, Any]:
    """The step that the run ends at, and how long that takes yet, "" where nobody knows. `metrics` newest first."""
    plan = launch.plan
    if not plan:
        return {"plan": None}
    last = (spec.continue_step or 0) + plan["steps"]
    return {"plan": plan, "last_step": last, "time_left": _time_left(metrics, last) if runs else ""}


def _time_left(metrics: Sequence[Metric], last: int) -> str:
    timed = metrics[:TIMED]
    if len(timed) < 2 or timed[0].attempt_id != timed[-1].attempt_id or timed[0].step >= last:
        return ""
    seconds = (timed[0].recorded_at - timed[-1].recorded_at).total_seconds() / (timed[0].step - timed[-1].step or 1)
    return duration_label(max(1, round(seconds * (last - timed[0].step))))


def _rows(sampled: Sequence[Evaluation]) -> list[SampleRow]:
    if not sampled:
        return []
    first, last = sampled[0], sampled[-1]
    before = {each["prompt"]: each["answer"] for each in first.samples} if first.pk != last.pk else {}
    return [
        SampleRow(each["prompt"], each["expected"], before.get(each["prompt"], ""), each["answer"])
        for each in last.samples
    ]
