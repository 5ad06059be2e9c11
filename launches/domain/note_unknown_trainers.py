"""Note what a provider runs although nothing of it is recorded here, and end what an admin asked to end."""

from __future__ import annotations

import random
import time
from collections.abc import Collection
from datetime import datetime

import structlog

from connections.models import Connection
from connections.providers.attempts import Reference
from connections.providers.base import Provider
from connections.providers.errors import ProviderError, SecretRefused, Unreachable
from connections.providers.submissions import KeepsSubmissions
from launches.adoption import known_gpus
from launches.models import UnknownTrainer

log = structlog.get_logger(__name__)


def note_unknown_trainers(
    *, connection: Connection, provider: Provider, references: Collection[Reference], now: datetime, until: float
) -> None:
    """Make the rows of this connection be just these references; what goes wrong with one leaves out that one alone.

    Each step may be repeated, so it needs no transaction around the provider's calls. What it does not get to `until`
    (monotonic seconds) waits for the next time, which begins with others.
    Errors: `Unreachable`, `SecretRefused`.
    """
    rows = {reference_of(row): row for row in UnknownTrainer.objects.filter(connection=connection)}
    for reference in rows.keys() - set(references):
        rows.pop(reference).delete()
    ending = {reference for reference, row in rows.items() if row.end_requested_at is not None}
    order = sorted(references, key=lambda each: (each not in ending, each in rows, random.random()))  # noqa: S311
    for reference in order:
        if time.monotonic() > until:
            log.warning("reconcile.unfinished", connection=connection.name, listed=len(references))
            return
        try:
            _note(connection, provider, reference, now)
        except (Unreachable, SecretRefused):
            raise
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
