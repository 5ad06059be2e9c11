"""What a run on a dataset will take: its tokens, its checkpoints, its time, and what of its rows is cut.

Tokens are those that somebody had counted for the dataset and the base model; bytes and time are judged by what ran
before from the same version of a shape.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.db.models import Max, Sum

from accounts.models import Account
from catalog.models import ShapeVersion
from connections.providers.checkpoints import CheckpointKind
from connections.providers.recipes import VALIDATION_RECIPE
from connections.providers.spec import DatasetFile, TrainerSpec
from connections.providers.states import AttemptState
from datasets.checking.formats import DatasetFormat
from datasets.checking.lengths import Lengths, read_lengths
from datasets.models import TokenCount
from launches.models import Checkpoint, Launch, Metric
from launches.recipes import RunOutlook, outlook_of

MOST_RUNS = 5


@dataclass(frozen=True)
class TimeEstimate:
    """Seconds, by the fastest and the slowest of so many earlier runs, or steps of a validation."""

    low: float
    high: float
    runs: int
    by_validation: bool = False


@dataclass(frozen=True)
class Forecast:
    """What is known beforehand; None where nobody knows.

    `tokens_an_epoch` is at most so many, `cut` at most so many rows that are longer than the context of `context`
    tokens; `checkpoint_bytes` is of all that are saved, and `longest` the tokens of the longest row. `dataset` is a
    uid.
    """

    dataset: uuid.UUID
    outlook: RunOutlook
    context: int
    tokens_an_epoch: int | None
    longest: int | None
    cut: int | None
    checkpoint_bytes: int | None
    time: TimeEstimate | None


def forecast_of(version: ShapeVersion, account: Account | None, spec: TrainerSpec) -> Forecast | None:
    """None where the spec trains on no dataset. Four queries at most."""
    if spec.dataset is None or spec.recipe_parameters is None or account is None:
        return None
    counted = _counted(spec.dataset, spec.base_model)
    outlook = outlook_of(spec, counted.total if counted else None)
    if outlook is None:
        return None
    tokens = _tokens_an_epoch(spec.dataset, outlook, counted)
    return Forecast(
        _uid(spec.dataset),
        outlook,
        spec.max_context_length,
        tokens,
        counted.longest if counted else None,
        longer_than(counted, spec.max_context_length) if counted else None,
        _checkpoint_bytes(version, account, spec, outlook),
        _by_runs(version, account, spec, outlook) or _by_validation(version, outlook, tokens),
    )


def longer_than(lengths: Lengths, limit: int) -> int:
    """How many rows at most are longer, as far as their histogram tells."""
    if lengths.longest <= limit:
        return 0
    return sum(count for at, count in enumerate(lengths.counts) if (1 << at) - 1 > limit)


def _counted(dataset: DatasetFile, base_model: str) -> Lengths | None:
    """The tokens of its rows by the model's tokenizer, where they were counted."""
    found = TokenCount.objects.filter(
        dataset__uid=_uid(dataset), base_model=base_model, finished_at__isnull=False
    ).values_list("lengths", flat=True)
    kept = found.first()
    return read_lengths(kept) if kept else None


def _uid(dataset: DatasetFile) -> uuid.UUID:
    return uuid.UUID(dataset.file.partition(".")[0])


def _tokens_an_epoch(dataset: DatasetFile, outlook: RunOutlook, counted: Lengths | None) -> int | None:
    """Of the rows that are trained on; of a pair both answers, of which the longer one was counted."""
    if counted is None:
        return None
    sides = 2 if dataset.format == DatasetFormat.PREFERENCE else 1
    return sides * counted.total * (dataset.rows - outlook.held_out) // max(1, dataset.rows)


def _checkpoint_bytes(version: ShapeVersion, account: Account, spec: TrainerSpec, outlook: RunOutlook) -> int | None:
    """Two are kept of each save, one to go on from and one for samplers, each as large as the largest before."""
    sizes = dict(
        Checkpoint.objects.filter(
            launch__account=account,
            launch__shape_version=version,
            launch__spec__lora_rank=spec.lora_rank,
            launch__spec__base_model=spec.base_model,
            writing=False,
        )
        .order_by()
        .values_list("kind")
        .annotate(Max("size_bytes"))
    )
    if set(sizes) != set(CheckpointKind):
        return None
    return outlook.checkpoints * sum(sizes.values())


def _by_runs(version: ShapeVersion, account: Account, spec: TrainerSpec, outlook: RunOutlook) -> TimeEstimate | None:
    """By what a row took in the account's newest runs of the same recipe, start and evaluations included."""
    before = Launch.objects.filter(
        shape_version=version, account=account, state=AttemptState.COMPLETED, plan__isnull=False,
        spec__recipe=spec.recipe, last_step__gt=0,
    )  # fmt: skip
    newest = before.order_by("-created_at", "-pk").values_list(
        "run_seconds", "last_step", "spec__continue_step", "spec__recipe_parameters", "plan"
    )
    packing = _parameters(spec).get("packing")
    taken = [
        seconds / (steps * _rows_a_step(parameters, plan))
        for seconds, step, start, parameters, plan in newest[:MOST_RUNS]
        if (steps := (step or 0) - (start or 0)) > 0 and parameters.get("packing") == packing
    ]
    if not taken or spec.dataset is None:
        return None
    rows = outlook.steps * outlook.rows_a_step
    return TimeEstimate(min(taken) * rows, max(taken) * rows, len(taken))


def _rows_a_step(parameters: dict[str, float], plan: dict[str, int] | None) -> float:
    """As many as it was told; where a batch counted tokens, as the run found them."""
    if not parameters.get("batch_tokens") or not plan:
        return parameters["batch_rows"]
    return max(1, plan["rows"] - plan["held_out"]) / max(1, plan["steps_an_epoch"])


def _by_validation(version: ShapeVersion, outlook: RunOutlook, tokens: int | None) -> TimeEstimate | None:
    """By the tokens a second of the version's newest validation, without the first step; evaluations come on top."""
    if not tokens:
        return None
    run = Launch.objects.filter(
        shape_version=version, state=AttemptState.COMPLETED, spec__recipe=VALIDATION_RECIPE
    ).order_by("-created_at", "-pk")
    speeds = [
        told / seconds
        for told, seconds in Metric.objects.filter(attempt__launch__in=run[:1], step__gt=1)
        .values_list("step")
        .annotate(Sum("tokens"), Sum("seconds"))
        .values_list("tokens__sum", "seconds__sum")
        if told and seconds
    ]
    if not speeds:
        return None
    whole = tokens * outlook.steps / max(1, outlook.steps_an_epoch)
    return TimeEstimate(whole / max(speeds), whole / min(speeds), len(speeds), by_validation=True)


def _parameters(spec: TrainerSpec) -> dict[str, str | int | float]:
    return spec.recipe_parameters or {}
