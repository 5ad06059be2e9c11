"""How a recipe ended, and what becomes of the trainer that it drove: it ends, too, with the recipe's outcome."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.actors import SYSTEM
from accounts.domain.revoke_api_key import revoke_keys_of
from connections.providers.attempts import Observation
from connections.providers.runs import RunProgress
from connections.providers.states import AttemptState, Reason
from launches.domain.append_event import append_event
from launches.domain.cancel_launch import request_cancel
from launches.live.wake import wake
from launches.models import Attempt, Launch, RecipeRun
from queues import leases
from wire.counts import quantity


@dataclass(frozen=True)
class RunEnding:
    """The outcome of a recipe that ended by itself, or by a limit."""

    state: AttemptState
    reason: Reason
    detail: str


def ending_of(run: RecipeRun, seen: Observation, told: RunProgress) -> RunEnding:
    """What its process and its own word come to: it has run to its end where neither says otherwise."""
    if run.stopped_for == Reason.TIME_LIMIT:
        hours = quantity(settings.SLIPWAY_RECIPE_HOURS, "hour")
        limit = f"It ran for {hours}, which is as long as a recipe may here (SLIPWAY_RECIPE_HOURS)."
        return RunEnding(AttemptState.FAILED, Reason.TIME_LIMIT, limit)
    word = f"The recipe says: {told.message}" if told.code and told.message else ""
    if seen.state is AttemptState.COMPLETED:
        if told.code:
            return RunEnding(AttemptState.FAILED, Reason.EXIT_CODE, word or f"The recipe says code {told.code}.")
        return RunEnding(AttemptState.COMPLETED, Reason.DONE, "")
    detail = " ".join(filter(None, (word, seen.detail))) or "The recipe was ended."
    return RunEnding(AttemptState.FAILED, seen.reason or Reason.EXIT_CODE, detail)


@transaction.atomic
def finish_run(run: RecipeRun, lease: leases.Lease, ending: RunEnding | None) -> None:
    """Nothing of it is left: revoke its key, and ask for the end of its trainer, which gets this outcome.

    Without an ending, its attempt ended first or is about to. Nothing where another worker has the row.
    """
    launch = Launch.objects.select_for_update(of=("self",)).select_related("account").get(pk=run.attempt.launch_id)
    attempt = Attempt.objects.select_for_update().defer("log_tail").get(pk=run.attempt_id)
    row = (
        RecipeRun.objects.select_for_update(of=("self",))
        .select_related("api_key__account", "api_key__user")
        .get(pk=run.pk)
    )
    if row.lease_token != lease.token:
        return
    now = timezone.now()
    row.give_back(due=now)
    row.finished_at = now
    row.state = ending.state if ending else AttemptState.CANCELLED
    row.detail = ending.detail if ending else "Its trainer ended, and it with that."
    if (key := row.api_key) is not None and key.revoked_at is None:
        revoke_keys_of(actor=SYSTEM, account=key.account, user=key.user, now=now, name=key.name)
    if ending and not attempt.is_final and attempt.cancel_requested_at is None:
        row.outcome, row.reason = ending.state, ending.reason
        words = "The recipe has run to its end" if ending.state is AttemptState.COMPLETED else "The recipe failed"
        append_event(launch, kind="recipe", message=words, actor=SYSTEM, data={"reason": ending.reason})
        request_cancel(SYSTEM, launch, attempt, reason=ending.reason)
    row.save()
    wake(launch)
