"""What is said of a launch whose shape its connection resolved to another version than its form showed."""

from __future__ import annotations

from launches.models import Attempt, Launch


def otherwise_resolved(launch: Launch, attempt: Attempt) -> str:
    """That it did, in words; "" where it did not."""
    expected = launch.spec["training_shape_version"].rpartition("/")[2]
    resolved = attempt.remote_version.rpartition("/")[2]
    if resolved in ("", expected):
        return ""
    return f"{launch.connection} resolved the shape to version {resolved}; the launch form showed {expected}"


def waiting_for_a_yes(launch: Launch, attempt: Attempt) -> str:
    """Why its trainer takes no call, and what to do; "" where it does not wait."""
    if attempt.version_asked_at is None or attempt.is_final:
        return ""
    told = otherwise_resolved(launch, attempt)
    return f"{told}. Its trainer waits until somebody keeps that version, or cancels, on the launch's page."
