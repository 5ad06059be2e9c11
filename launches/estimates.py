"""How long a run on a dataset will take, judged by those that were made from the same version of a shape before."""

from __future__ import annotations

from dataclasses import dataclass

from accounts.models import Account
from catalog.models import ShapeVersion
from connections.providers.spec import TrainerSpec
from connections.providers.states import AttemptState
from launches.models import Launch
from launches.recipes import RunOutlook

MOST_RUNS = 5


@dataclass(frozen=True)
class TimeEstimate:
    """Seconds, by the fastest and the slowest of so many earlier runs."""

    low: float
    high: float
    runs: int


def estimate_time(
    version: ShapeVersion, account: Account | None, spec: TrainerSpec, outlook: RunOutlook | None
) -> TimeEstimate | None:
    """By what a row took in the account's newest runs of the same recipe, start and evaluations included.

    None where there was none yet. One query.
    """
    if outlook is None or account is None:
        return None
    before = Launch.objects.filter(
        shape_version=version, account=account, state=AttemptState.COMPLETED, plan__isnull=False,
        spec__recipe=spec.recipe, last_step__gt=0,
    )  # fmt: skip
    newest = before.order_by("-created_at", "-pk").values_list(
        "run_seconds", "last_step", "spec__continue_step", "spec__recipe_parameters"
    )
    packing = _parameters(spec).get("packing")
    taken = [
        seconds / (steps * parameters["batch_rows"])
        for seconds, step, start, parameters in newest[:MOST_RUNS]
        if (steps := (step or 0) - (start or 0)) > 0 and parameters.get("packing") == packing
    ]
    if not taken:
        return None
    rows = outlook.steps * int(_parameters(spec)["batch_rows"])
    return TimeEstimate(min(taken) * rows, max(taken) * rows, len(taken))


def _parameters(spec: TrainerSpec) -> dict[str, str | int | float]:
    return spec.recipe_parameters or {}
