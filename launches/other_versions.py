"""What is said of a launch whose shape its connection resolved to another version than its form showed."""

from __future__ import annotations

from launches.models import Attempt, Launch


def otherwise_resolved(launch: Launch, attempt: Attempt) -> str:
    """That it did, in words; "" where it did not."""
    expected, resolved = launch.spec["training_shape_version"], attempt.remote_version
    if not resolved or _within_account(resolved) == _within_account(expected):
        return ""
    if _id_in(resolved) != _id_in(expected):
        expected, resolved = _id_in(expected), _id_in(resolved)
    return f"{launch.connection} resolved the shape to version {resolved}; the launch form showed {expected}"


def _within_account(name: str) -> str:
    """Shape and version alone: which account there is which one here is not always told."""
    return name.partition("/trainingShapes/")[2] or name


def _id_in(name: str) -> str:
    return name.rpartition("/")[2]


def waiting_for_a_yes(launch: Launch, attempt: Attempt) -> str:
    """Why its trainer takes no call, and what to do; "" where it does not wait."""
    if attempt.version_asked_at is None or attempt.is_final:
        return ""
    told = otherwise_resolved(launch, attempt)
    return f"{told}. Its trainer waits until somebody keeps that version, or cancels, on the launch's page."
