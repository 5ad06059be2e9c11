"""End a trainer that a program made and nobody came for."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from accounts.actors import SYSTEM
from connections.providers.attempts import Observation
from connections.providers.spec import NO_RECIPE, TrainerSpec
from connections.providers.states import AttemptState, Reason
from launches.domain.cancel_launch import request_cancel
from launches.models import Attempt, Launch
from wire.counts import quantity

_STARTING = Q(state__in=[AttemptState.QUEUED, AttemptState.PENDING, AttemptState.CREATING]) | Q(
    state=AttemptState.RUNNING, attempts__finished_at=None, attempts__ready=False
)


def end_unclaimed(launch: Launch, attempt: Attempt, seen: Observation, *, now: datetime) -> None:
    """Ask for the end of the attempt where it is unclaimed by what was just seen of it; the launch is locked.

    A program that fails between making its trainer and using it leaves a trainer that holds a slot until its inactivity
    timeout. The official SDK opens its first session once everything that it made is up, so the clock waits for the
    user's other jobs. Who sent an inactivity timeout said how long to wait. One that a deployment was
    tied to has been come for.
    """
    if not launch.made_by_program or launch.claimed_at or launch.tied_at or _waits(launch):
        return
    if seen.session_opened is not False or attempt.ready_at is None or attempt.is_final:
        return
    if attempt.ready_at > now - _patience() or _waits_for_another(launch):
        return
    request_cancel(SYSTEM, launch, attempt, reason=Reason.UNCLAIMED)


def _waits(launch: Launch) -> bool:
    """Whether somebody said how long it waits, or a recipe drives it: the trainer's own opens no session."""
    return "inactivity_timeout" in launch.inputs or TrainerSpec.from_json(launch.spec).recipe != NO_RECIPE


def unclaimed_sentence() -> str:
    """What is said of an attempt that ended so."""
    minutes = quantity(settings.SLIPWAY_UNCLAIMED_MINUTES, "minute")
    return (
        f"Nobody opened a session within {minutes} after it was ready. "
        "A job made with an inactivityTimeout waits for that time instead."
    )


def _patience() -> timedelta:
    return timedelta(minutes=settings.SLIPWAY_UNCLAIMED_MINUTES)


def _waits_for_another(launch: Launch) -> bool:
    """Whether the user's program may wait for another job of its own, a reference say, before it uses this one."""
    others = Launch.objects.filter(owner=launch.owner_id, made_by_program=True, deleted_at=None).exclude(pk=launch.pk)
    return others.filter(_STARTING).exists()
