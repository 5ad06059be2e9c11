"""What samplers did for a trainer, step by step: what each of its weights answered, and how old they were by then.

A sampler says by which weights it answered, and a checkpoint of the trainer by which step they were saved; so both are
one series. Every read costs the same few queries, however much there is of either.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import QuerySet

from connections.providers.checkpoints import CheckpointKind
from deployments.models import Deployment, SamplerMetric
from launches.models import Checkpoint, Launch, Metric

MOST_RECORDS = 10_000
"""The newest of each that are looked at."""
CURVE = 2_000


class SampledRecord(NamedTuple):
    """What is looked at of a `SamplerMetric`, of which there may be many."""

    is_load: bool
    identity: str
    requests: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    message: str
    at: datetime


class _TrainedStep(NamedTuple):
    """The same of a `Metric`."""

    step: int
    recorded_at: datetime
    seconds: float | None
    reward: float | None


@dataclass
class SampledStep:
    """What the weights of one step answered, and what the trainer did to get to it.

    `seconds` are those with requests under way, `training` those that the trainer computed, `loading` those until the
    weights served. `stale` are steps that the trainer was ahead when an answer was given, of as many requests.
    """

    step: int
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    loading: float | None = None
    training: float | None = None
    reward: float | None = None
    stale: int = 0

    @property
    def speed(self) -> float | None:
        """Tokens a second; None where none were made, or the seconds that were told make no number of it."""
        return _finite(self.completion_tokens / self.seconds) if self.seconds else None

    def as_json(self, number: int) -> dict[str, Any]:
        """What the curves are drawn from."""
        return {
            "attempt": 1,
            "number": number,
            "step": self.step,
            "reward": self.reward,
            "tokensIn": self.prompt_tokens or None,
            "tokensOut": self.completion_tokens or None,
            "tokensPerSecond": self.speed,
            "sampling": _finite(self.seconds) if self.requests else None,
            "training": self.training,
            "loading": self.loading,
            "staleness": self.stale / self.requests if self.requests else None,
        }


@dataclass(frozen=True)
class Sampling:
    """The steps of a series in order, and `failed`, the newest load of weights where that failed."""

    steps: Sequence[SampledStep]
    failed: SampledRecord | None = None

    @property
    def newest(self) -> SampledStep | None:
        """Of the newest weights that answered anything."""
        return next((step for step in reversed(self.steps) if step.requests), None)

    @property
    def failure(self) -> str:
        """Of the newest load of weights, where it failed."""
        return (
            f"The newest load of weights, {self.failed.identity}, failed: {self.failed.message}" if self.failed else ""
        )

    @property
    def figures(self) -> dict[str, str]:
        """What the panel says in words, by the name of its place; "" for nothing."""
        answered = [step for step in self.steps if step.requests]
        newest = self.newest
        sampling = sum(step.seconds for step in self.steps)
        training = sum(step.training or 0.0 for step in self.steps)
        rewards = [step.reward for step in self.steps if step.reward is not None]
        return {
            "step": f"{newest.step}" if newest else "",
            "staleness": f"{newest.stale / newest.requests:.2g}" if newest else "",
            "tokens": f"{sum(step.prompt_tokens for step in answered):,} in, "
            f"{sum(step.completion_tokens for step in answered):,} out",
            "speed": f"{newest.speed:,.0f}" if newest and newest.speed is not None else "",
            "time": f"{sampling:,.0f} s to {training:,.0f} s",
            "reward": f"{rewards[-1]:.4g}" if rewards else "",
        }


def sampling_of_launch(launch: Launch) -> Sampling:
    """What was sampled with weights of the launch, by whichever deployments."""
    return _sampling(SamplerMetric.objects.filter(launch=launch), launch)


def sampling_of_deployment(deployment: Deployment) -> Sampling:
    """What the deployment answered for the trainer that it has now, or for none."""
    records = SamplerMetric.objects.filter(deployment=deployment, launch=deployment.trainer)
    return _sampling(records, deployment.trainer)


def _sampling(records: QuerySet[SamplerMetric], launch: Launch | None) -> Sampling:
    found = records.order_by("-at", "-pk").values_list(*SampledRecord._fields)[:MOST_RECORDS]
    rows = list(map(SampledRecord._make, found))[::-1]
    if not rows:
        return Sampling(())
    trained = _trained(launch) if launch else []
    steps: dict[int, SampledStep] = {}
    for metric in trained:  # of attempts that overlap the later one counts
        steps[metric.step] = SampledStep(metric.step, training=metric.seconds, reward=metric.reward)
    saved = _steps_of_weights(launch, {row.identity for row in rows})
    times = [metric.recorded_at for metric in trained]
    for row in rows:
        if (number := saved.get(row.identity)) is not None:
            reached = bisect_right(times, row.at)
            _add(steps.setdefault(number, SampledStep(number)), row, trained[reached - 1].step if reached else 0)
    loads = [row for row in rows if row.is_load]
    return Sampling(
        _thinned([steps[number] for number in sorted(steps)]), loads[-1] if loads and loads[-1].message else None
    )


def _add(step: SampledStep, row: SampledRecord, reached: int) -> None:
    """`reached` is the step of the trainer at the time of the record."""
    if row.is_load:
        step.loading = step.loading if row.message else row.seconds
        return
    step.requests += row.requests
    step.prompt_tokens += row.prompt_tokens
    step.completion_tokens += row.completion_tokens
    step.seconds += row.seconds
    step.stale += row.requests * max(0, reached - step.step)


def _trained(launch: Launch) -> list[_TrainedStep]:
    """The newest records of the trainer, in order."""
    rows = Metric.objects.filter(attempt__launch=launch).order_by("-attempt", "-number")
    found = rows.values_list(*_TrainedStep._fields)[:MOST_RECORDS]
    return list(map(_TrainedStep._make, found))[::-1]


def _steps_of_weights(launch: Launch | None, identities: Collection[str]) -> Mapping[str, int]:
    """By identity the step that the weights were saved at; the base model is step 0, others may be another job's."""
    rows = Checkpoint.objects.filter(launch=launch, kind=CheckpointKind.SAMPLER, name__in=identities)
    return {"": 0, **dict(rows.values_list("name", "step"))}


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _thinned(steps: list[SampledStep]) -> Sequence[SampledStep]:
    """Of more than two thousand every n-th, and the newest: two thousand at most."""
    every = math.ceil(len(steps) / (CURVE - 1)) if len(steps) > CURVE else 1
    return [step for index, step in enumerate(steps) if index % every == 0 or index == len(steps) - 1]
