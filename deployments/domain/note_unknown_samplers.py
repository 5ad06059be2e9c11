"""Note what a connection runs of samplers although no deployment of it is here, and end what an admin asked to end."""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import datetime

import structlog

from accounts.models import Account
from catalog.version_queries import find_version
from connections.models import Connection
from connections.providers.attempts import Reference
from connections.providers.errors import Gone, ProviderError, SecretRefused, Unreachable
from connections.providers.samplers import KeptSampler, SamplerProvider
from connections.providers.states import FINAL
from deployments.models import UnknownSampler
from wire.names import DEPLOYMENT_SHAPES, parse_version_name

log = structlog.get_logger(__name__)


def note_unknown_samplers(
    *,
    connection: Connection,
    samplers: SamplerProvider,
    references: Collection[Reference],
    known: Collection[tuple[str, str]],
    now: datetime,
    until: float,
) -> None:
    """Make the rows of this connection be just these; what goes wrong with one leaves out that one alone.

    `known` are account and id of what has a deployment here, of which nothing is removed. What it does not get to
    `until` (monotonic seconds) waits for the next time. Errors: `Unreachable`, `SecretRefused`.
    """
    rows = {row.reference: row for row in UnknownSampler.objects.filter(connection=connection)}
    asked = {reference for reference, row in rows.items() if row.end_requested_at is not None}
    for reference in rows.keys() - set(references):
        if time.monotonic() > until:
            return
        if (reference.account, reference.job) in known or reference not in asked or _is_removed(samplers, reference):
            rows[reference].delete()
    for reference in sorted(references, key=lambda each: (each not in asked, each in rows)):
        if time.monotonic() > until:
            log.warning("samplers.unfinished", connection=connection.name, listed=len(references))
            return
        try:
            if reference in asked:
                end_there(samplers, reference)
            _note(connection, samplers, reference, now)
        except (Unreachable, SecretRefused):
            raise
        except ProviderError as error:  # gone meanwhile, or for the next time
            log.info("samplers.unobserved", connection=connection.name, job=reference.job, error=str(error))
        except Exception as error:  # what it says of this one cannot be kept
            log.exception("samplers.unnoted", connection=connection.name, job=reference.job, error=repr(error))


def end_there(samplers: SamplerProvider, reference: Reference) -> None:
    """Ask for its end; once it is over, remove what is kept of it. Errors: `ProviderError`."""
    samplers.stop(reference)
    if samplers.observe(reference).state in FINAL:
        samplers.delete(reference.account, reference.job)


def _is_removed(samplers: SamplerProvider, reference: Reference) -> bool:
    """What was asked to end is not listed any more: nothing is kept of it, either. Errors: `Unreachable`."""
    try:
        samplers.delete(reference.account, reference.job)
    except (Unreachable, SecretRefused):
        raise
    except Gone:
        return True
    except ProviderError:
        return False
    return True


def _note(connection: Connection, samplers: SamplerProvider, reference: Reference, now: datetime) -> None:
    """Errors: `ProviderError`."""
    seen, kept = samplers.observe(reference), samplers.kept(reference)
    facts = {
        "state": seen.state,
        "since": seen.since,
        "shape_version": kept.deployment_shape_version,
        "trainer_job": kept.trainer_job,
        "gpus": _gpus(reference, kept),
    }
    _, is_new = UnknownSampler.objects.update_or_create(
        connection=connection,
        account_name=reference.account,
        job_id=reference.job,
        start=reference.attempt,
        defaults=facts,
        create_defaults=facts | {"seen_at": now},
    )
    if is_new:
        log.warning("samplers.unknown", connection=connection.name, job=reference.job, start=reference.attempt)


def _gpus(reference: Reference, kept: KeptSampler) -> int | None:
    """Of one replica: as it is told, else as its shape says where that is here."""
    if kept.gpus is not None:
        return kept.gpus
    parsed = parse_version_name(kept.deployment_shape_version, DEPLOYMENT_SHAPES)
    mine = list(Account.objects.filter(account_id=reference.account).values_list("pk", flat=True))
    version = find_version(mine, *parsed) if parsed and parsed[2] else None
    return None if version is None or version.frozen_snapshot.hide_specs else version.gpus
