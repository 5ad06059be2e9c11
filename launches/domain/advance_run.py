"""Take the recipe of one attempt a step further: begin it once its trainer is ready, look at it, end it with that.

Its process is under the supervisor of this machine and outlives every worker, so whoever takes the row next goes on
with it. What it said is applied under the row's lease; what of it is the launch's, under the launch's lock.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.actors import SYSTEM
from accounts.domain.create_api_key import LIFETIMES, create_api_key
from accounts.scopes import Scope
from connections.opened import place_for_runs
from connections.providers.errors import Gone, NotYet, ProviderError, Rejected, Retryable
from connections.providers.runs import RunProvider, RunSubmission
from connections.providers.states import FINAL, AttemptState, Reason
from connections.providers.telemetry import MetricPage
from launches.domain.append_event import TimelineLine, append_events
from launches.domain.apply_reading import write_reading
from launches.domain.end_run import RunEnding, ending_of, finish_run
from launches.live.wake import wake
from launches.models import Attempt, Launch, RecipeRun
from launches.poll import LOG_TAIL_CHARACTERS, Report
from launches.run_key import run_secret
from launches.run_seen import RunSeen, see_run
from launches.run_spec import run_spec
from queues import leases
from wire.errors import Refusal

POLL = timedelta(seconds=1)
UNTIL_WOKEN = timedelta(seconds=30)
"""Between two looks at one whose trainer is not ready: `wake_run` ends that wait."""
MOST_TRIES = 10
"""In a row, to find where recipes run, or to read what one that is over wrote: about five minutes."""
WAITING = (AttemptState.QUEUED, AttemptState.PENDING)
NOWHERE = "What drives a trainer from here runs on this machine, and no connection lets anything run here."
log = structlog.get_logger(__name__)


class NoPlaceError(Exception):
    """Nothing runs recipes at the moment, in words."""


def advance_run(run_pk: int) -> timedelta | None:
    """One step. Answers when the next one is due; None where there is none, or another worker sees to it."""
    claimed = _claim(run_pk)
    if claimed is None:
        return None
    run, lease = claimed
    with lease.kept():
        try:
            return _step(run, lease)
        except NoPlaceError as error:
            return _without_place(run, lease, str(error))
        except NotYet as progress:
            return _put_off(run, lease, str(progress), POLL)
        except ProviderError as error:
            return _put_off_failed(run, lease, str(error))


def _place() -> RunProvider:
    """Where recipes run. Errors: `NoPlaceError`."""
    try:
        found = place_for_runs()
    except Retryable as error:
        raise NoPlaceError(f"{NOWHERE} {error}") from None
    if found is None:
        raise NoPlaceError(NOWHERE)
    return found


def _without_place(run: RecipeRun, lease: leases.Lease, why: str) -> timedelta | None:
    """Some minutes may pass. Then it is over: its key is revoked, so nothing that it left could reach its trainer."""
    before = run.failures if run.detail.startswith(NOWHERE) else 0  # of other failures none took its time
    if before + 1 < MOST_TRIES:
        return _put_off_failed(run, lease, why, before)
    return finish_run(run, lease, RunEnding(AttemptState.FAILED, Reason.LAUNCH_FAILED, why))


@transaction.atomic
def _claim(run_pk: int) -> tuple[RecipeRun, leases.Lease] | None:
    rows = RecipeRun.objects.select_related(
        "attempt__launch__account",
        "attempt__launch__owner",
        "attempt__launch__shape_version__shape",
        "api_key__account",
    ).defer("attempt__log_tail")
    claimed = leases.claim(rows, run_pk, now=timezone.now())
    return None if claimed is None else claimed[:2]


def _step(run: RecipeRun, lease: leases.Lease) -> timedelta | None:
    """Errors: `ProviderError`, `NoPlaceError`."""
    if _is_to_end(run.attempt):
        # With a key, a worker may have asked for its process, and died before it wrote that.
        unasked = run.api_key_id is None and run.started_at is None
        return finish_run(run, lease, None) if unasked else _wind_down(run, lease, _place())
    if run.started_at is not None:
        return _look(run, lease, _place())
    if run.attempt.ready:
        return _begin(run, lease, _place())
    return _put_off(run, lease, "", UNTIL_WOKEN)


def _is_to_end(attempt: Attempt) -> bool:
    return attempt.is_final or attempt.cancel_requested_at is not None


def _begin(run: RecipeRun, lease: leases.Lease, runs: RunProvider) -> timedelta | None:
    """With its key first: a worker that dies in between leaves one that the next begins with. Errors: as above."""
    attempt, may_run = run.attempt, run.api_key_id is not None
    try:
        with transaction.atomic():
            spec = run_spec(attempt.launch)
            if run.api_key_id is None:
                _make_key(run)
        runs.start(RunSubmission(attempt.reference, spec, run_secret(run)))
    except (Refusal, Rejected) as refusal:
        if may_run:  # a worker that died before it could write so may have started it
            with suppress(Gone):
                runs.stop(attempt.reference)
        return _finish(run, lease, runs, RunEnding(AttemptState.FAILED, Reason.SPEC_REFUSED, str(refusal)))
    run.started_at = timezone.now()
    RecipeRun.objects.filter(pk=run.pk).update(started_at=run.started_at, state=AttemptState.PENDING)
    return _put_off(run, lease, "", timedelta())


def _make_key(run: RecipeRun) -> None:
    """Of the launch's owner, for its job alone. Errors: `Refusal` where the owner may launch here no more.

    Its name is the attempt's alone: the key of the attempt before may be there for a while yet. It would end by itself,
    should nobody ever see to it.
    """
    launch = run.attempt.launch
    name = f"Recipe {launch.uid.hex[:12]}/{run.attempt.number}"
    days = next(each for each in LIFETIMES if each is None or each * 24 >= settings.SLIPWAY_RECIPE_HOURS + 48)
    run.api_key, _ = create_api_key(
        actor=SYSTEM, account=launch.account, user=launch.owner, name=name, scope=Scope.LAUNCH, now=timezone.now(),
        days=days, job=launch.job_id, secret=run_secret(run),
    )  # fmt: skip
    run.save(update_fields=["api_key"])


def _wind_down(run: RecipeRun, lease: leases.Lease, runs: RunProvider) -> timedelta | None:
    """Its trainer is over, or is to end: so is it, whatever it does. Errors: as above."""
    before = run.records_offset
    try:
        runs.stop(run.attempt.reference)
        seen = see_run(run, runs, unread=run.failures + 1 >= MOST_TRIES)
    except Gone:
        return _finish(run, lease, runs, None)
    if not _apply(run, lease, seen):
        return None
    if seen.observation.state not in FINAL:
        return _put_off(run, lease, "", POLL)
    return _finish(run, lease, runs, None) if _is_read(seen, before) else _put_off(run, lease, "", timedelta())


def _look(run: RecipeRun, lease: leases.Lease, runs: RunProvider) -> timedelta | None:
    before = run.records_offset
    try:
        seen = see_run(run, runs, unread=run.failures + 1 >= MOST_TRIES)
    except Gone as error:
        return _finish(run, lease, runs, RunEnding(AttemptState.FAILED, Reason.UNKNOWN_TO_PROVIDER, str(error)))
    except ProviderError:  # what makes itself unreadable has no more time than others
        _keep_to_the_hours(run, runs)
        raise
    if not _apply(run, lease, seen):
        return None
    if seen.observation.state in FINAL:
        if not _is_read(seen, before):
            return _put_off(run, lease, "", timedelta())
        return _finish(run, lease, runs, ending_of(run, seen.observation, seen.progress))
    _keep_to_the_hours(run, runs)
    return _put_off(run, lease, "", POLL)


def _keep_to_the_hours(run: RecipeRun, runs: RunProvider) -> None:
    """End it where they are over, at each look: what could not be told is told by the next."""
    if run.began_at and timezone.now() > run.began_at + timedelta(hours=settings.SLIPWAY_RECIPE_HOURS):
        RecipeRun.objects.filter(pk=run.pk, stopped_for="").update(stopped_for=Reason.TIME_LIMIT)
        runs.stop(run.attempt.reference)


def _is_read(seen: RunSeen, before: int) -> bool:
    """Whether all its records are: the outcome comes last."""
    return seen.records.offset == before


def _finish(run: RecipeRun, lease: leases.Lease, runs: RunProvider, ending: RunEnding | None) -> timedelta | None:
    """Its process is over, so nobody reads its copies of datasets: another attempt's run brings its own."""
    others = RecipeRun.objects.filter(attempt__launch=run.attempt.launch_id, finished_at=None).exclude(pk=run.pk)
    if not others.exists():
        try:
            runs.forget_data(run.attempt.reference)
        except ProviderError as error:
            log.warning("run.data_left", run=run.pk, error=str(error))  # it goes when the launch is deleted
    return finish_run(run, lease, ending)


@transaction.atomic
def _apply(run: RecipeRun, lease: leases.Lease, seen: RunSeen) -> bool:
    """Write what was seen, under the lease; False where another worker has taken the row since."""
    launch = Launch.objects.select_for_update(of=("self",)).select_related("account").get(pk=run.attempt.launch_id)
    row = RecipeRun.objects.select_for_update().get(pk=run.pk)
    if row.lease_token != lease.token:
        return False
    before = _visible(row)
    fresh = [line for line in seen.observation.progress if line.number > row.progress_read]
    append_events(launch, (TimelineLine("progress", line.message) for line in fresh), actor=SYSTEM)
    row.progress_read = max((line.number for line in fresh), default=row.progress_read)
    row.log_tail = (row.log_tail + seen.log.text)[-LOG_TAIL_CHARACTERS:]
    row.log_offset, run.log_offset = seen.log.offset, seen.log.offset
    _apply_records(launch, row, seen.records)
    run.records_offset = row.records_offset
    if seen.observation.state not in FINAL:
        row.state, row.detail = seen.observation.state, seen.observation.detail
    if row.began_at is None and seen.observation.state not in WAITING:
        row.began_at = timezone.now()
    run.began_at = row.began_at
    told = seen.progress
    row.message, row.percent, row.tokens = told.message, told.percent, told.tokens
    row.step, row.output = told.step, dict(told.output)
    row.figures = {} if launch.plan else dict(told.figures)  # what has a plan has curves
    row.failures = 0
    row.save()
    if fresh or _visible(row) != before:
        wake(launch)
    return True


def _apply_records(launch: Launch, row: RecipeRun, read: MetricPage) -> None:
    """As those of the attempt, whose trainer is not ours and puts none on record; the launch is locked."""
    if read.offset == row.records_offset:
        return
    row.records_offset = read.offset
    attempt = Attempt.objects.select_for_update(of=("self",)).get(pk=row.attempt_id)
    batch = Report(None, metrics=read.records, evaluations=read.evaluations, plan=read.plan, limits=read.limits)
    write_reading(launch, attempt, batch, timezone.now())
    attempt.save(update_fields=["metrics_read"])


def _visible(row: RecipeRun) -> tuple[object, ...]:
    return row.state, row.message, row.percent, row.step, row.log_offset, row.records_offset, row.detail


def _put_off_failed(run: RecipeRun, lease: leases.Lease, detail: str, before: int | None = None) -> timedelta | None:
    """A while longer after each failure in a row, of which there were so many before."""
    failures = (run.failures if before is None else before) + 1
    return _put_off(run, lease, detail, leases.backoff(failures), failures)


@transaction.atomic
def _put_off(run: RecipeRun, lease: leases.Lease, detail: str, wait: timedelta, failures: int = 0) -> timedelta | None:
    """Give the lease back until then; None where another worker has the row.

    Whoever woke it meanwhile is heard: its trainer is looked at once more, under the row's lock.
    """
    row = RecipeRun.objects.select_for_update().get(pk=run.pk)
    if row.lease_token != lease.token:
        return None
    if wait > POLL and not failures:
        attempt = Attempt.objects.get(pk=row.attempt_id)  # by itself: what was joined would be as of before the lock
        wait = timedelta() if attempt.ready or _is_to_end(attempt) else wait
    row.give_back(due=timezone.now() + wait)
    row.failures = failures
    if detail:
        row.detail = detail
    row.save(update_fields=["lease_token", "lease_until", "next_check_at", "failures", "detail"])
    return wait
