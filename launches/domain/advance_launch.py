"""Take one attempt one step further: claim, talk to the provider, apply."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

import structlog
from django.db import DataError
from django.utils import timezone

from connections.opened import open_provider, provider_to_act
from connections.providers.attempts import Submission
from connections.providers.errors import ProviderError
from connections.providers.optional import NamesFiles
from connections.providers.spec import TrainerSpec
from launches.domain.apply_reading import apply_reading, put_off
from launches.domain.apply_report import apply_report
from launches.domain.claim_attempt import AttemptClaim, claim_attempt
from launches.domain.note_reach import note_reach
from launches.live.file_watch import FileNews, file_watch
from launches.poll import PollRequest, ReadOffsets, Report, poll_attempt
from launches.tokens import trainer_token
from queues.leases import ON_TIME

log = structlog.get_logger(__name__)
STEP_SECONDS = 10.0
"""After which a worker goes on to other launches; far below CELERY_TASK_TIME_LIMIT, at which it would be killed."""


def advance_launch(attempt_pk: int, *, early: timedelta = ON_TIME) -> timedelta | None:
    """One step, of what is due or (`early`) soon will be.

    Answers when the next one is due; None where there is none, or where another worker sees to it.
    """
    claim = claim_attempt(attempt_pk, now=timezone.now(), early=early)
    if claim is None:
        return None
    connection = claim.launch.connection
    if connection.next_try_at is not None and connection.next_try_at > claim.claimed_at:
        return put_off(claim, due=connection.next_try_at)
    with claim.lease.kept():
        try:
            return _advance(claim)
        except (DataError, ValueError) as error:
            # The database cannot hold what the provider said: say so and go on, rather than stumble over it for ever.
            log.exception("report.unfit", job=claim.launch.job_id)
            unfit = Report(None, error=f"What the provider said cannot be recorded ({error}).")
            return apply_report(claim, unfit, now=timezone.now())


def _advance(claim: AttemptClaim) -> timedelta | None:
    """Apply batch by batch, the outcome last; what takes longer than a step is put off to the next one."""
    began, spent, news = time.monotonic(), time.thread_time(), _news_of(claim)
    for report in _reports(claim):
        if report.connection_error is not None:
            note_reach(claim.launch.connection, error=report.connection_error)
        elif report.observation is not None:
            note_reach(claim.launch.connection)
        if not report.more:
            delay = apply_report(claim, report, now=timezone.now())
            if news and delay is not None and report.observation is not None:
                spent, took = time.thread_time() - spent, time.monotonic() - began
                account = claim.launch.account_id
                file_watch.keep(claim.attempt.pk, account, news, cpu_seconds=spent, wall_seconds=took)
            return delay
        if not apply_reading(claim, report):
            return None
        if time.monotonic() - began > STEP_SECONDS:
            return put_off(claim, due=timezone.now(), heard_at=timezone.now())
    raise AssertionError("the last report has no more")


def _reports(claim: AttemptClaim) -> Iterator[Report]:
    try:
        provider = provider_to_act(claim.launch.connection)
    except ProviderError as error:
        return iter([Report(None, error=str(error))])
    return poll_attempt(provider, _question(claim))


def _news_of(claim: AttemptClaim) -> FileNews | None:
    """Where news of the attempt shows before anybody is asked, as it stands now; None where it does not."""
    try:
        provider = open_provider(claim.launch.connection)
        if not isinstance(provider, NamesFiles):
            return None
        return FileNews.of(provider.files_with_news(claim.attempt.reference))
    except ProviderError:
        return None


def _question(claim: AttemptClaim) -> PollRequest:
    launch, attempt = claim.launch, claim.attempt
    spec = TrainerSpec.from_json(launch.spec)
    return PollRequest(
        submission=Submission(attempt.reference, spec.for_trainer, trainer_token(launch)),
        submitted=attempt.submitted_at is not None,
        cancel_requested=attempt.cancel_requested_at is not None,
        position=ReadOffsets(attempt.log_offset, attempt.metrics_offset),
    )
