"""Keep the checkpoints that a provider lists as rows, which pages and lists are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime

import structlog
from django.db import transaction
from django.utils import timezone

from accounts.actors import SYSTEM
from connections.opened import open_provider
from connections.providers.checkpoints import CheckpointKind, CheckpointRecord
from connections.providers.errors import ProviderError
from connections.providers.states import FINAL, AttemptState
from launches.domain.append_event import TimelineLine, append_events
from launches.live.wake import wake
from launches.models import Checkpoint, Launch

BATCH = 1000
_KEY = {"kind", "name"}
_TOLD = [field.name for field in fields(CheckpointRecord) if field.name not in _KEY]
log = structlog.get_logger(__name__)


def refresh_checkpoints(launch: Launch) -> None:
    """Ask the provider of a launch that is not over, so that a checkpoint is listed once its save was answered.

    Where the provider cannot say, what was listed last stays.
    """
    if AttemptState(launch.state) in FINAL:
        return
    asked_at = timezone.now()
    try:
        listed = open_provider(launch.connection).checkpoints(*launch.known_as).records
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
    known = {_key(checkpoint): checkpoint for checkpoint in launch.checkpoints.all()}
    missing = known.keys() - {_key(record) for record in listed}
    if missing:
        gone = [known[key].pk for key in missing]
        launch.checkpoints.filter(pk__in=gone, listed_at__lt=asked_at).delete()
    fresh = [record for record in listed if _key(record) not in known or _said(known[_key(record)]) != _said(record)]
    Checkpoint.objects.bulk_create(
        [Checkpoint(launch=launch, **asdict(record)) for record in fresh],
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["launch", "kind", "name"],
        update_fields=_TOLD,
    )
    append_events(launch, (_line(record) for record in fresh if not record.writing), actor=SYSTEM)


def _key(checkpoint: Checkpoint | CheckpointRecord) -> tuple[str, str]:
    return checkpoint.kind, checkpoint.name


def _said(checkpoint: Checkpoint | CheckpointRecord) -> tuple[str, str, datetime, int, bool, bool]:
    return (
        *_key(checkpoint),
        checkpoint.saved_at,
        checkpoint.size_bytes,
        checkpoint.writing,
        checkpoint.promotable_there,
    )


def _line(record: CheckpointRecord) -> TimelineLine:
    renamed = record.requested_name not in ("", record.name)
    asked_for = f" (asked for as {record.requested_name})" if renamed else ""
    what = "Checkpoint" if record.kind == CheckpointKind.TRAINING else "Sampler weights"
    message = f"{what} {record.name}{asked_for} saved at step {record.step}"
    return TimelineLine("checkpoint", message, {"name": record.name})
