"""What samplers did for a trainer, step by step: what each of its weights answered, and how old they were by then.

A sampler says by which weights it answered, and a checkpoint of the trainer by which step they were saved; so both are
one series. Every read costs the same few queries, however much there is of either.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from connections.providers.base import CheckpointKind
from deployments.models import Deployment, SamplerMetric
from launches.models import Checkpoint, Launch, Metric

MOST_RECORDS = 10_000
"""The newest of each that are looked at."""
CURVE = 2_000


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

    def as_json(self, number: int) -> dict[str, Any]:
        """What the curves are drawn from."""
        return {
            "attempt": 1,
            "number": number,
            "step": self.step,
            "reward": self.reward,
            "tokensIn": self.prompt_tokens or None,
            "tokensOut": self.completion_tokens or None,
            "tokensPerSecond": self.completion_tokens / self.seconds if self.seconds else None,
            "sampling": self.seconds if self.requests else None,
            "training": self.training,
            "loading": self.loading,
            "staleness": self.stale / self.requests if self.requests else None,
        }


@dataclass(frozen=True)
class Sampling:
    """The steps of a series in order, and `failed`, the newest load of weights where that failed."""

    steps: Sequence[SampledStep]
    failed: SamplerMetric | None = None

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
            "speed": f"{newest.completion_tokens / newest.seconds:,.0f}" if newest and newest.seconds else "",
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
    rows = list(records.order_by("-at", "-pk")[:MOST_RECORDS])[::-1]
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


def _add(step: SampledStep, row: SamplerMetric, reached: int) -> None:
    """`reached` is the step of the trainer at the time of the record."""
    if row.is_load:
        step.loading = step.loading if row.message else row.seconds
        return
    step.requests += row.requests
    step.prompt_tokens += row.prompt_tokens
    step.completion_tokens += row.completion_tokens
    step.seconds += row.seconds
    step.stale += row.requests * max(0, reached - step.step)


def _trained(launch: Launch) -> list[Metric]:
    """The newest records of the trainer, in order."""
    rows = Metric.objects.filter(attempt__launch=launch).only("step", "recorded_at", "seconds", "reward")
    return list(rows.order_by("-attempt", "-number")[:MOST_RECORDS])[::-1]


def _steps_of_weights(launch: Launch | None, identities: Collection[str]) -> Mapping[str, int]:
    """By identity the step that the weights were saved at; the base model is step 0, others may be another job's."""
    rows = Checkpoint.objects.filter(launch=launch, kind=CheckpointKind.SAMPLER, name__in=identities)
    return {"": 0, **dict(rows.values_list("name", "step"))}


def _thinned(steps: list[SampledStep]) -> Sequence[SampledStep]:
    """Of more than two thousand every n-th, and the newest."""
    every = max(1, len(steps) // CURVE)
    return [step for index, step in enumerate(steps) if index % every == 0 or index == len(steps) - 1]
