"""Append to a launch's timeline."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from accounts.actors import Actor
from launches.models import Event, Launch

BATCH = 500


@dataclass(frozen=True)
class TimelineLine:
    """One line of the timeline."""

    kind: str
    message: str
    data: dict[str, Any] = field(default_factory=dict)


def append_event(launch: Launch, *, kind: str, message: str, actor: Actor, data: dict[str, Any] | None = None) -> None:
    """Write the next event. `launch` must be locked by the caller's transaction: that keeps the numbers gapless."""
    append_events(launch, [TimelineLine(kind, message, data or {})], actor=actor)


def append_events(launch: Launch, lines: Iterable[TimelineLine], *, actor: Actor, beside: Collection[str] = ()) -> None:
    """Write the next events, in a few statements however many they are; as `append_event`.

    With what changed of the launch in its fields `beside`.
    """
    events = next_events(launch, lines, actor=actor)
    if events:
        launch.save(update_fields=["last_event", *beside])
        Event.objects.bulk_create(events, batch_size=BATCH)


def next_events(launch: Launch, lines: Iterable[TimelineLine], *, actor: Actor) -> list[Event]:
    """The next events, counted and not written yet: of a launch that is itself to be written, with its own count."""
    events = [
        Event(
            launch=launch,
            sequence=sequence,
            attempt_number=launch.attempt_count,
            kind=line.kind,
            message=line.message,
            data=line.data,
            actor=actor.user,
            actor_label=actor.label,
        )
        for sequence, line in enumerate(lines, launch.last_event + 1)
    ]
    launch.last_event += len(events)
    return events
