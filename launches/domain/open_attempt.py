"""Open the next attempt of a launch that is over."""

from __future__ import annotations

from accounts.actors import Actor
from accounts.domain.record import record
from connections.providers.states import AttemptState
from launches.domain.append_event import append_event
from launches.domain.plan_run import plan_run
from launches.live.hints import ADVANCE
from launches.live.wake import wake
from launches.models import Attempt, Launch
from queues.hints import hint_on_commit


def open_attempt(launch: Launch, *, message: str, actor: Actor) -> Attempt:
    """Of a locked launch whose newest attempt is over. The recorded spec runs again, from the newest checkpoint."""
    launch.attempt_count += 1
    launch.state = AttemptState.QUEUED
    launch.save(update_fields=["attempt_count", "state", "interruptions"])
    attempt = Attempt.objects.create(launch=launch, number=launch.attempt_count)
    plan_run(launch, attempt)
    append_event(launch, kind="state", message=message, actor=actor, data={"state": AttemptState.QUEUED})
    record(
        actor=actor, verb="resume_launch", target=launch.name, account=launch.account, after={"attempt": attempt.number}
    )
    wake(launch)
    hint_on_commit(ADVANCE, attempt.pk)
    return attempt
