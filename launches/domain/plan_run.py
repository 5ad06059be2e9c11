"""Note that a recipe drives an attempt from here: it is begun once the trainer is ready."""

from __future__ import annotations

from connections.providers.spec import TrainerSpec
from launches.live.hints import RUN
from launches.models import Attempt, Launch, RecipeRun
from queues.hints import hint_on_commit


def plan_run(launch: Launch, attempt: Attempt) -> None:
    """In the transaction that writes the attempt; nothing where its trainer needs no recipe beside it."""
    if TrainerSpec.from_json(launch.spec).is_driven_from_here:
        run = RecipeRun.objects.create(attempt=attempt)
        hint_on_commit(RUN, run.pk)
