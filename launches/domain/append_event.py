"""Append to a launch's timeline."""

from __future__ import annotations

from typing import Any

from accounts.actors import Actor
from launches.models import Event, Launch


def append_event(launch: Launch, *, kind: str, message: str, actor: Actor, data: dict[str, Any] | None = None) -> Event:
    """Write the next event. `launch` must be locked by the caller's transaction: that keeps the numbers gapless."""
    launch.last_event += 1
    launch.save(update_fields=["last_event"])
    return Event.objects.create(
        launch=launch,
        sequence=launch.last_event,
        attempt_number=launch.attempt_count,
        kind=kind,
        message=message,
        data=data or {},
        actor=actor.user,
        actor_label=actor.label,
    )
