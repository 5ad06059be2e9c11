"""What happens to a launch that is interrupted, for people. Pure but for asking where it runs."""

from __future__ import annotations

from connections.opened import runs_here
from connections.providers.spec import NO_RECIPE
from launches.domain.go_on import MOST_IN_VAIN
from launches.domain.resume_launch import never_resumed
from launches.models import Launch


def going_on_sentence(launch: Launch) -> str:
    """Whether it goes on by itself; "" where nothing is left to do, or where only this machine could interrupt it."""
    if launch.deleted_at or never_resumed(launch) or runs_here(launch.connection):
        return ""
    should = "Should its machine fail, or should it have to make room, it"
    if not launch.goes_on:
        why = " A loop of your own would have to open its session again." if launch.spec["recipe"] == NO_RECIPE else ""
        return f"{should} waits for Resume.{why}"
    limit = f"at most {MOST_IN_VAIN} times in a row without a new one"
    if launch.interruptions:
        limit = f"{launch.interruptions} of {MOST_IN_VAIN} times in a row without a new one so far"
    return f"{should} goes on by itself from its newest checkpoint, {limit}."
