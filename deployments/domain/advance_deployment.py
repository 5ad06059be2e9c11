"""Take a deployment one step towards what is wanted: claim its row, talk to its connection, apply what that says.

What runs is numbered before anybody is told to start it, so a worker that dies starts nothing twice.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.utils import timezone

from connections.opened import samplers_at
from connections.providers.attempts import NEWEST_ATTEMPT, Observation, Reference
from connections.providers.errors import Gone, NotYet, ProviderError, Rejected, Retryable, SecretRefused, Unreachable
from connections.providers.samplers import (
    KeepsSamplerRecords,
    SamplerProvider,
    SamplerRecordPage,
    SamplerSubmission,
)
from connections.providers.states import FINAL, AttemptState, Reason
from connections.providers.telemetry import LogChunk
from deployments.domain.move_deployment import move, note
from deployments.domain.note_load import note_load
from deployments.models import Deployment, SamplerMetric
from deployments.placement import NO_SAMPLERS
from deployments.queries import trainer_is_over
from deployments.states import DeploymentState
from deployments.tokens import sampler_token
from launches.domain.note_reach import note_reach
from launches.live.wake import wake_pages
from queues import leases

_S = DeploymentState
SOON, WATCHED, SETTLED = timedelta(seconds=1), timedelta(seconds=10), timedelta(hours=1)
"""How long until the next look: while something changes, while a sampler runs, and where nothing does."""
LOG_TAIL_CHARACTERS = 64 * 1024
READ_SECONDS = 10.0
"""After which what is left of an ended sampler's log and records is read by the next step."""
NO_LOG, NO_RECORDS = LogChunk("", 0), SamplerRecordPage((), 0)
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class SamplerReport:
    """What came back: an observation, None where nothing runs; or the error, after which we try again.

    `log` and `records` are what was read, offsets of 0 where nothing was. `more` says that it is over and there is more
    to be read first, `removed` that all that was kept of a deleted one is gone; `is_silent` that the error is that of
    the connection, which is left alone as a whole.
    """

    observation: Observation | None = None
    log: LogChunk = NO_LOG
    records: SamplerRecordPage = NO_RECORDS
    error: str = ""
    is_silent: bool = False
    more: bool = False
    removed: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing runs."""
        return not self.error and not self.more and (self.observation is None or self.observation.state in FINAL)


def advance_deployment(pk: int) -> timedelta | None:
    """One step. Answers when the next one is due; None where there is none, or another worker sees to it."""
    claimed = _claim(pk)
    if claimed is None:
        return None
    deployment, lease = claimed
    with lease.kept():
        report = _talk(deployment)
    return _apply(lease, report)


@transaction.atomic
def _claim(pk: int) -> tuple[Deployment, leases.Lease] | None:
    """The row, with its next start numbered where one is due; None, too, while its connection is left alone."""
    rows, now = Deployment.objects.select_related("account", "connection", "trainer"), timezone.now()
    claimed = leases.claim(rows, pk, now=now)
    if claimed is None:
        return None
    deployment, lease, _ = claimed
    if (later := deployment.connection.next_try_at) is not None and later > now:
        deployment.give_back(due=min(later, now + WATCHED))  # others may find before then that it answers again
        deployment.save(update_fields=["lease_token", "lease_until", "next_check_at"])
        return None
    if _is_wanted(deployment) and not deployment.running and deployment.state != _S.FAILED:
        deployment.start, deployment.running, deployment.start_trainer = deployment.start + 1, True, deployment.trainer
        deployment.log_tail, deployment.log_offset, deployment.records_offset = "", 0, 0
        deployment.save(update_fields=["start", "running", "start_trainer", "log_tail", "log_offset", "records_offset"])
    return deployment, lease


def _is_wanted(deployment: Deployment) -> bool:
    return deployment.replicas > 0 and deployment.state != _S.DELETING and not deployment.stop_asked


def _talk(deployment: Deployment) -> SamplerReport:
    """Start or stop where that is due, then look. Never raises: errors are reported."""
    try:
        samplers = samplers_at(deployment.connection, to_act=True)
        if samplers is None:
            raise Retryable(f"{deployment.connection}: {NO_SAMPLERS}")
        report = _ask(samplers, deployment)
    except (Unreachable, SecretRefused) as error:
        note_reach(deployment.connection, error=error)
        return SamplerReport(error=str(error), is_silent=True)
    except ProviderError as error:
        return SamplerReport(error=str(error))
    except Exception as error:  # a fault in a provider must not take the sweep down with it
        log.exception("samplers.fault")
        return SamplerReport(error=f"The connection failed in a way that it does not name ({type(error).__name__}).")
    if deployment.running or report.removed:
        note_reach(deployment.connection)
    return report


def _ask(samplers: SamplerProvider, deployment: Deployment) -> SamplerReport:
    report = _drive(samplers, deployment) if deployment.running else SamplerReport()
    if deployment.state == _S.DELETING and report.is_over:
        if deployment.start and not deployment.running:  # what was scaled to 0 may have been woken where it stands
            with suppress(Gone):
                samplers.stop(_any_start(deployment))
        samplers.delete(deployment.reference.account, deployment.reference.job)
        return replace(report, removed=True)
    return report


def _drive(samplers: SamplerProvider, row: Deployment) -> SamplerReport:
    """Have it run, or end, and look. Errors: `ProviderError`."""
    refusal = ""
    try:
        if _is_wanted(row):
            refusal = _have_it_run(samplers, row)
        else:
            samplers.stop(row.reference)
        seen = samplers.observe(row.reference)
    except Rejected as error:
        return _once_nothing_runs(samplers, row, Observation(AttemptState.REJECTED, str(error), Reason.SPEC_REFUSED))
    except Gone as error:
        lost = Observation(AttemptState.LOST, str(error), Reason.UNKNOWN_TO_PROVIDER)
        return _once_nothing_runs(samplers, row, lost)
    return _read(samplers, row, replace(seen, detail=seen.detail or refusal))


def _have_it_run(samplers: SamplerProvider, row: Deployment) -> str:
    """Why it would be refused now, which ends nothing that was taken and seen to run. Errors: `ProviderError`."""
    try:
        samplers.start(_submission(row))
    except Rejected as error:
        if not row.endpoint:
            raise
        return str(error)
    return ""


def _once_nothing_runs(samplers: SamplerProvider, row: Deployment, ending: Observation) -> SamplerReport:
    """The ending, once no start of it runs there: a refusal, or that this start is unknown, does not say that.

    Errors: `ProviderError`, until then.
    """
    reference = _any_start(row)
    try:
        samplers.stop(reference)
        seen = samplers.observe(reference)
    except Gone:
        return SamplerReport(ending)
    if seen.state not in FINAL:
        raise NotYet(f"What runs of it is being ended, since it cannot be driven from here any more: {ending.detail}")
    return SamplerReport(ending)


def _any_start(row: Deployment) -> Reference:
    return replace(row.reference, attempt=NEWEST_ATTEMPT)


def _read(samplers: SamplerProvider, row: Deployment, seen: Observation) -> SamplerReport:
    """What is new of its log and records: a piece of each, all that there is where it is over. Errors: as they have."""
    nothing = SamplerRecordPage((), row.records_offset)
    report, until = SamplerReport(seen, LogChunk("", row.log_offset), nothing), time.monotonic() + READ_SECONDS
    while True:
        before, report = report, _with_the_next_piece(samplers, row.reference, report)
        if seen.state not in FINAL or _offsets(report) == _offsets(before):
            return report
        if time.monotonic() > until:
            return replace(report, more=True)


def _with_the_next_piece(samplers: SamplerProvider, reference: Reference, report: SamplerReport) -> SamplerReport:
    chunk = samplers.logs(reference, report.log.offset)
    text = (report.log.text + chunk.text)[-LOG_TAIL_CHARACTERS:]
    report = replace(report, log=LogChunk(text, chunk.offset))
    if not isinstance(samplers, KeepsSamplerRecords):
        return report
    page = samplers.records(reference, report.records.offset)
    return replace(report, records=SamplerRecordPage(report.records.records + page.records, page.offset))


def _offsets(report: SamplerReport) -> tuple[int, int]:
    return report.log.offset, report.records.offset


def _submission(row: Deployment) -> SamplerSubmission:
    least = 0 if trainer_is_over(row) else row.min_replicas  # so that it idles where the connection sees to that
    return SamplerSubmission(row.reference, row.sampler_spec, sampler_token(row), least, row.max_replicas)


@transaction.atomic
def _apply(lease: leases.Lease, report: SamplerReport) -> timedelta | None:
    """Write it under the lease; nothing where that was lost."""
    rows = Deployment.objects.select_for_update(of=("self",)).select_related("account", "trainer")
    row = rows.filter(pk=lease.pk, lease_token=lease.token).first()
    if row is None:
        return None
    now, before = timezone.now(), _seen(row)
    if report.error:
        row.failures += 1
        row.detail = report.error
        wait = min(leases.backoff(row.failures), WATCHED) if report.is_silent else leases.backoff(row.failures)
    else:
        row.failures, row.observed_at = 0, now
        _keep_log(row, report)
        _keep_records(row, report)
        if not report.more:  # an outcome comes last
            _settle(row, report, now)
        wait = SOON if report.more else _wait(row)
    row.give_back(due=now + wait)
    row.save()
    if _seen(row) != before:
        wake_pages(row.account_id, row.uid, state=row.state)
    return None if row.state == _S.DELETED else wait


def _seen(row: Deployment) -> tuple[object, ...]:
    """What a page shows of it that is no event."""
    return row.replicas, row.ready_replicas, row.detail, row.log_offset, row.records_offset


def _keep_log(row: Deployment, report: SamplerReport) -> None:
    if report.log.offset:
        row.log_tail = (row.log_tail + report.log.text.replace("\0", ""))[-LOG_TAIL_CHARACTERS:]
        row.log_offset = report.log.offset


def _keep_records(row: Deployment, report: SamplerReport) -> None:
    if report.records.offset:
        rows = [
            SamplerMetric(deployment=row, launch_id=row.start_trainer_id, start=row.start, **asdict(record))
            for record in report.records.records
        ]
        SamplerMetric.objects.bulk_create(rows, ignore_conflicts=True)
        row.records_offset = report.records.offset


def _settle(row: Deployment, report: SamplerReport, now: datetime) -> None:
    """The row as the report says; what is wanted may be something else by now, which the next step sees to."""
    if report.observation and report.observation.serving and not row.stop_asked:  # else it may be of other weights
        note_load(row, report.observation.serving, report.observation.load_seconds, now=now)
    if row.running and report.is_over:
        row.running, row.ready_replicas, row.endpoint = False, 0, ""
        if _is_wanted(row):
            _note_ending(row, report.observation, now)
    if not row.running:
        row.stop_asked = False
        if row.state == _S.DELETING and report.removed:
            move(row, _S.DELETED, now=now)
        elif row.replicas == 0 and row.state in (_S.CREATING, _S.UPDATING):
            move(row, _S.READY, now=now, detail="No sampler is wanted.")
    elif (seen := report.observation) and _is_wanted(row):
        row.ready_replicas = int(seen.ready) if seen.replicas is None else seen.replicas
        row.endpoint, row.remote_name, row.detail = seen.endpoint, seen.remote_id, seen.detail
        if seen.ready and row.state in (_S.CREATING, _S.UPDATING):
            move(row, _S.READY, now=now)


def _note_ending(row: Deployment, seen: Observation | None, now: datetime) -> None:
    """A sampler ended though it is wanted: idle, with the machine, or by a failure."""
    reason, detail = (seen.reason, seen.detail) if seen else (None, "")
    if reason is Reason.INACTIVE:
        row.replicas = 0 if trainer_is_over(row) else row.min_replicas
        note(row, f"Scaled to {row.replicas}: {detail}", now=now)
    elif reason is not Reason.HOST_STOPPED:
        move(row, _S.FAILED, now=now, detail=f"{detail}{_remedy(row)}")
        return
    if row.replicas and row.state == _S.READY:
        move(row, _S.UPDATING, now=now, detail=detail)


def _remedy(row: Deployment) -> str:
    """What to do where it never served what it was to start with."""
    snapshot = row.sampler_spec.snapshot
    if not snapshot or row.state == _S.READY:
        return ""
    which = "the last that it served" if row.loaded else "what it is to serve"
    return f"\nIt was to start with {snapshot}, {which}. Update it to try again, or let it serve another base_model."


def _wait(row: Deployment) -> timedelta:
    changing = row.state in (_S.CREATING, _S.UPDATING, _S.DELETING) or (row.running and not _is_wanted(row))
    return SOON if changing else WATCHED if row.running else SETTLED
