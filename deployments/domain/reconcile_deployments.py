"""Compare the samplers that a connection has with the deployments that are recorded here."""

from __future__ import annotations

import time

import structlog
from django.utils import timezone

from connections.domain.look_at_connection import Turn, turn_at
from connections.models import Connection
from connections.opened import samplers_at
from connections.providers.base import ProviderError, Reference, SecretRefused, Unreachable
from connections.providers.samplers import SamplerProvider
from deployments.domain.note_unknown_samplers import end_there, note_unknown_samplers
from deployments.models import Deployment
from launches.domain.note_reach import note_reach

COMPARE_SECONDS = 60.0
"""After which the rest is left to the next time; below CELERY_TASK_TIME_LIMIT, at which a worker would be killed."""
log = structlog.get_logger(__name__)


def reconcile_deployments(connection_pk: int) -> int:
    """End what stands there though its deployment was deleted here, which a request that got there late leaves.

    What nobody recorded here is left alone until an admin asks for its end. One worker at a time compares with a
    connection; where it does not answer, nothing changes but that. Answers how many are not known here.
    """
    with turn_at(connection_pk, Turn.COMPARE_SAMPLERS, now=timezone.now()) as connection:
        if connection is None:
            return 0
        try:
            samplers = samplers_at(connection, to_act=True)
            return _compare(connection, samplers) if samplers else 0
        except (Unreachable, SecretRefused) as error:
            note_reach(connection, error=error)
        except ProviderError as error:
            log.warning("samplers.postponed", connection=connection.name, error=str(error))
        except Exception as error:
            log.exception("samplers.unreconciled", connection=connection.name, error=repr(error))
        return 0


def _compare(connection: Connection, samplers: SamplerProvider) -> int:
    """Errors: `ProviderError`."""
    until, unknown = time.monotonic() + COMPARE_SECONDS, []
    references = samplers.list_references()
    note_reach(connection)
    for reference in references:
        row = _deployment_of(connection, reference)
        if row is None:
            unknown.append(reference)
        elif row.finished_at is not None and time.monotonic() < until:
            _end(connection, samplers, reference)
    note_unknown_samplers(connection=connection, samplers=samplers, references=unknown, now=timezone.now(), until=until)
    return len(unknown)


def _end(connection: Connection, samplers: SamplerProvider, reference: Reference) -> None:
    """Errors: `Unreachable`, `SecretRefused`."""
    words = {"connection": connection.name, "deployment": reference.job, "start": reference.attempt}
    try:
        end_there(samplers, reference)
        log.warning("samplers.ended", **words)
    except (Unreachable, SecretRefused):
        raise
    except ProviderError as error:  # gone meanwhile, or for the next time
        log.info("samplers.ending", **words, error=str(error))


def _deployment_of(connection: Connection, reference: Reference) -> Deployment | None:
    """By our own id of it; by the connection's where it tells no account."""
    rows = Deployment.objects.filter(connection=connection).select_related("account")
    if not reference.account:
        return rows.filter(remote_name__endswith=f"/{reference.job}").first()
    begins = reference.job.rpartition("-")[0]
    found = rows.filter(account__account_id=reference.account, deployment_id__startswith=begins)
    return next((row for row in found if row.reference.job == reference.job), None)
