"""Compare the samplers that a connection has with the deployments that are recorded here."""

from __future__ import annotations

import time
from collections.abc import Mapping

import structlog
from django.utils import timezone

from connections.domain.look_at_connection import Turn, turn_at
from connections.models import Connection
from connections.opened import samplers_at
from connections.providers.attempts import Reference
from connections.providers.errors import ProviderError, SecretRefused, Unreachable
from connections.providers.samplers import GivesSamplersIds, SamplerProvider
from deployments.domain.note_unknown_samplers import end_there, note_unknown_samplers
from deployments.models import Deployment
from deployments.states import DeploymentState
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
    known = _by_what_is_listed(connection, samplers)
    for reference in references:
        row = known.get((reference.account, reference.job))
        if row is None:
            unknown.append(reference)
        elif row.finished_at is None:
            _catch_up(row, reference)
        elif time.monotonic() < until:
            _end(connection, samplers, reference)
    note_unknown_samplers(
        connection=connection,
        samplers=samplers,
        references=unknown,
        known=known.keys(),
        now=timezone.now(),
        until=until,
    )
    return len(unknown)


def _by_what_is_listed(connection: Connection, samplers: SamplerProvider) -> Mapping[tuple[str, str], Deployment]:
    """All that were ever recorded there, by account and id as they are listed: ours, or where no account is told, its.

    What it calls one is known before it first said so, unless its ids are wholly its own.
    """
    known: dict[tuple[str, str], Deployment] = {}
    rows = Deployment.objects.filter(connection=connection).select_related("account")
    for row in rows.only("account__account_id", "deployment_id", "uid", "start", "state", "remote_name", "finished_at"):
        known[row.account.account_id, row.reference.job] = row
        if isinstance(samplers, GivesSamplersIds):
            known["", samplers.id_of(row.reference)] = row
        if row.remote_name:
            known["", row.remote_name.rpartition("/")[2]] = row
    return known


def _catch_up(row: Deployment, reference: Reference) -> None:
    """A database that was restored is behind: what stands there in a later start than is known here is in that one."""
    if reference.attempt <= row.start:
        return
    found = {"start": reference.attempt, "log_tail": "", "log_offset": 0, "records_offset": 0}
    may_run = {} if row.state == DeploymentState.FAILED else {"running": True, "next_check_at": timezone.now()}
    if Deployment.objects.filter(pk=row.pk, start__lt=reference.attempt, lease_token=None).update(**found, **may_run):
        log.warning("samplers.ahead", deployment=row.deployment_id, start=reference.attempt, known=row.start)


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
