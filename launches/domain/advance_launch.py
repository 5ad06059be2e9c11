"""Take one attempt one step further: claim, talk to the provider, apply."""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.db import DataError
from django.utils import timezone

from launches.connected import provider_named
from launches.consult import Question, Report, consult
from launches.domain.apply_report import apply_report
from launches.domain.claim_attempt import Claim, claim_attempt
from launches.providers.base import Reference, Submission
from launches.spec import TrainerSpec
from launches.tokens import trainer_token

log = structlog.get_logger(__name__)


def advance_launch(attempt_pk: int) -> timedelta | None:
    """One step. Answers when the next one is due; None where there is none, or where another worker sees to it."""
    claim = claim_attempt(attempt_pk, now=timezone.now())
    if claim is None:
        return None
    provider = provider_named(claim.launch.provider)
    if provider is None:
        report = Report(None, error=f"Provider {claim.launch.provider} is not connected to this Slipway any more.")
    else:
        report = consult(provider, _question(claim))
    try:
        return apply_report(claim, report, now=timezone.now())
    except (DataError, ValueError) as error:
        # The database cannot hold what the provider said: say so and go on, rather than stumble over it for ever.
        log.exception("report.unfit", job=claim.launch.job_id)
        unfit = Report(None, error=f"What the provider said cannot be recorded ({error}).")
        return apply_report(claim, unfit, now=timezone.now())


def _question(claim: Claim) -> Question:
    launch, attempt = claim.launch, claim.attempt
    reference = Reference(launch.account.account_id, launch.job_id, attempt.number)
    return Question(
        submission=Submission(reference, TrainerSpec.from_json(launch.spec), trainer_token(launch)),
        submitted=attempt.submitted_at is not None,
        cancel_requested=attempt.cancel_requested_at is not None,
        log_offset=attempt.log_offset,
        metrics_read=attempt.metrics_read,
    )
