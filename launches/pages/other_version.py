"""The version that a launch's connection resolved by itself, beside the one that its form showed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from catalog.fields.differences import FieldDifference, differences
from catalog.version_queries import find_version
from launches.models import Attempt, Launch
from launches.other_versions import otherwise_resolved
from wire.names import parse_version_name


@dataclass(frozen=True)
class OtherVersion:
    """What is shown of it: `lines` are the fields that differ, None where that version is not known here (yet)."""

    sentence: str
    shown: str
    resolved: str
    lines: tuple[FieldDifference, ...] | None
    waits: bool


def other_version(launch: Launch, attempt: Attempt, member_of: Collection[int]) -> OtherVersion | None:
    """None where it is the one that the form showed. Needs the launch with its version."""
    sentence = otherwise_resolved(launch, attempt)
    if not sentence:
        return None
    shown, name = launch.shape_version, parse_version_name(attempt.remote_version)
    found = find_version(member_of, *name) if name else None
    lines = None
    if found is not None:
        lines = tuple(differences((shown.frozen_snapshot, shown.fields), (found.frozen_snapshot, found.fields)))
    resolved = attempt.remote_version.rpartition("/")[2]
    waits = attempt.version_asked_at is not None and not attempt.is_final
    return OtherVersion(sentence, shown.version_id, resolved, lines, waits)
