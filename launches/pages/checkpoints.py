"""What a launch has saved, as its page shows it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import BigIntegerField, QuerySet
from django.utils import timezone

from connections.providers.checkpoints import CheckpointKind
from launches.models import Checkpoint, Launch
from launches.retention import retention_of
from lists.prepared import Given, Prepared


def shown_checkpoints(launch: Launch) -> dict[str, Any]:
    """The checkpoints, the newest first; which one a resumed launch goes on from; how much, and until when it is kept.

    `kept_days` is for how long they would be kept if the launch were deleted now. One query.
    """
    found = _CHECKPOINTS.rows(launch=launch.pk)
    for checkpoint in found:
        checkpoint.launch = launch
    whole = [checkpoint for checkpoint in found if not checkpoint.writing]
    return {
        "checkpoints": found,
        "resumes_from": next((one for one in whole if one.kind == CheckpointKind.TRAINING), None),
        "kept_bytes": sum(checkpoint.size_bytes for checkpoint in found),
        "kept_until": _kept_until(launch, found),
        "kept_days": retention_of(launch.account) // timedelta(days=1),
    }


def _checkpoints() -> QuerySet[Checkpoint]:
    found = Checkpoint.objects.filter(launch_id=Given("launch", BigIntegerField()))
    return found.order_by("-step", "-saved_at", "-pk")


_CHECKPOINTS = Prepared(_checkpoints)


def _kept_until(launch: Launch, found: list[Checkpoint]) -> Any:
    """None where the launch was not deleted, or nothing of it is kept any more."""
    kept = launch.kept_until if found and launch.purged_at is None else None
    return kept if kept and kept > timezone.now() else None
