"""Have the recipe beside a trainer looked at now: its trainer is ready, is to end, or is over."""

from __future__ import annotations

from django.utils import timezone

from connections.providers.spec import TrainerSpec
from launches.live.hints import RUN
from launches.models import Attempt, Launch, RecipeRun
from queues.hints import hint_on_commit


def wake_run(launch: Launch, attempt: Attempt) -> None:
    """In the transaction that writes that; nothing where no recipe drives the attempt from here."""
    if not TrainerSpec.from_json(launch.spec).is_driven_from_here:
        return
    run = RecipeRun.objects.filter(attempt=attempt, finished_at=None)
    if run.update(next_check_at=timezone.now()):
        hint_on_commit(RUN, run.values_list("pk", flat=True)[0])
