"""Note what a provider runs although nothing of it is recorded here, and end what an admin asked to end."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import structlog

from connections.models import Connection
from connections.providers.base import Provider, ProviderError, Reference
from connections.providers.submissions import KeepsSubmissions
from launches.adoption import known_gpus
from launches.models import UnknownTrainer

log = structlog.get_logger(__name__)


def note_unknown_trainers(
    *, connection: Connection, provider: Provider, references: Collection[Reference], now: datetime
) -> None:
    """Make the rows of this connection be just these references; what goes wrong with one leaves out that one alone.

    Each step may be repeated, so it needs no transaction around the provider's calls.
    """
    listed = set(references)
    for row in UnknownTrainer.objects.filter(connection=connection):
        if reference_of(row) not in listed:
            row.delete()
    for reference in references:
        try:
            _note(connection, provider, reference, now)
        except ProviderError as error:  # gone meanwhile, or for the next time
            log.warning("reconcile.unobserved", connection=connection.name, job=reference.job, error=str(error))
        except Exception as error:  # what it says of this one cannot be kept
            log.exception("reconcile.unnoted", connection=connection.name, job=reference.job, error=repr(error))


def reference_of(row: UnknownTrainer) -> Reference:
    """What the provider calls it."""
    return Reference(row.account_name, row.job_id, row.attempt_number)


def _note(connection: Connection, provider: Provider, reference: Reference, now: datetime) -> None:
    """Errors: `ProviderError`."""
    seen = provider.observe(reference)
    row, is_new = UnknownTrainer.objects.update_or_create(
        connection=connection,
        account_name=reference.account,
        job_id=reference.job,
        attempt_number=reference.attempt,
        defaults={"state": seen.state, "since": seen.since},
        create_defaults={"state": seen.state, "since": seen.since, "seen_at": now},
    )
    if is_new:
        log.warning("reconcile.unknown", connection=connection.name, job=reference.job, attempt=reference.attempt)
    if row.end_requested_at is not None:
        provider.cancel(reference)
    if row.kept is None and isinstance(provider, KeepsSubmissions):
        _note_kept(row, provider)


def _note_kept(row: UnknownTrainer, provider: KeepsSubmissions) -> None:
    """What it was asked for, once it is told. Errors: `ProviderError`."""
    kept = provider.kept_submission(reference_of(row))
    if kept is not None:
        row.kept = kept.as_json()
        row.gpus = known_gpus(row)
        row.save(update_fields=["kept", "gpus"])
