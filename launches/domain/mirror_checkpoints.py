"""Keep the checkpoints that a provider lists as rows, which pages and lists are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

import structlog
from django.db import transaction
from django.utils import timezone

from accounts.actors import SYSTEM
from connections.opened import open_provider
from connections.providers.base import CheckpointRecord, ProviderError
from connections.providers.states import FINAL, AttemptState
from launches.domain.append_event import TimelineLine, append_events
from launches.live.wake import wake
from launches.models import Checkpoint, Launch

BATCH = 1000
log = structlog.get_logger(__name__)


def refresh_checkpoints(launch: Launch) -> None:
    """Ask the provider of a launch that is not over, so that a checkpoint is listed once its save was answered.

    Where the provider cannot say, what was listed last stays.
    """
    if AttemptState(launch.state) in FINAL:
        return
    asked_at = timezone.now()
    try:
        listed = open_provider(launch.connection).checkpoints(launch.account.account_id, launch.job_id).records
    except ProviderError as error:
        log.info("checkpoints.unlisted", job=launch.job_id, error=str(error))
        return
    if {_said(record) for record in listed} == {_said(checkpoint) for checkpoint in launch.checkpoints.all()}:
        return
    with transaction.atomic():
        held = Launch.objects.select_for_update(of=("self",)).get(pk=launch.pk)
        if AttemptState(held.state) not in FINAL:  # else it was listed to the end by whoever noted that
            mirror_checkpoints(held, listed, asked_at=asked_at)
            wake(held)


def mirror_checkpoints(launch: Launch, listed: Sequence[CheckpointRecord], *, asked_at: datetime) -> None:
    """Write what the provider was asked for at `asked_at`; the launch is locked.

    A row that appeared since then stays: two who ask at a time may hold answers of different age.
    """
    known = {checkpoint.name: checkpoint for checkpoint in launch.checkpoints.all()}
    missing = known.keys() - {record.name for record in listed}
    if missing:
        launch.checkpoints.filter(name__in=missing, listed_at__lt=asked_at).delete()
    fresh = [record for record in listed if record.name not in known or _said(known[record.name]) != _said(record)]
    Checkpoint.objects.bulk_create(
        [Checkpoint(launch=launch, **asdict(record)) for record in fresh],
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["launch", "name"],
        update_fields=["step", "size_bytes", "saved_at", "requested_name"],
    )
    append_events(launch, map(_line, fresh), actor=SYSTEM)


def _said(checkpoint: Checkpoint | CheckpointRecord) -> tuple[str, datetime, int]:
    return checkpoint.name, checkpoint.saved_at, checkpoint.size_bytes


def _line(record: CheckpointRecord) -> TimelineLine:
    renamed = record.requested_name not in ("", record.name)
    asked_for = f" (asked for as {record.requested_name})" if renamed else ""
    message = f"Checkpoint {record.name}{asked_for} saved at step {record.step}"
    return TimelineLine("checkpoint", message, {"name": record.name})
