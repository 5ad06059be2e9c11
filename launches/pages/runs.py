"""What the page of a launch says of the recipe that drives its trainer from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connections.providers.spec import TrainerSpec
from connections.providers.states import AttemptState
from launches.models import Attempt, RecipeRun

WORDS = {
    AttemptState.QUEUED: "begins once the trainer is ready",
    AttemptState.PENDING: "waits for a free slot on this machine",
    AttemptState.CREATING: "its environment is prepared",
    AttemptState.RUNNING: "runs",
    AttemptState.CANCELLING: "is being ended",
    AttemptState.COMPLETED: "has run to its end",
    AttemptState.FAILED: "failed",
    AttemptState.CANCELLED: "was ended",
}


@dataclass(frozen=True)
class ShownRun:
    """The run with its state in words."""

    row: RecipeRun
    words: str

    @property
    def figures(self) -> list[tuple[str, Any]]:
        """Of its newest step, by name."""
        return sorted(self.row.figures.items())

    @property
    def made(self) -> list[tuple[str, Any]]:
        """What it says that it made."""
        return [(name.replace("_", " ").capitalize(), said) for name, said in sorted(self.row.output.items())]


def shown_run(attempt: Attempt, spec: TrainerSpec) -> ShownRun | None:
    """None where no recipe drives the attempt from here, which costs no query."""
    if not spec.is_driven_from_here:
        return None
    row = RecipeRun.objects.filter(attempt=attempt).first()
    return ShownRun(row, WORDS.get(AttemptState(row.state), row.state)) if row else None
