"""Apply the observation of a claimed attempt with the last batch that was read, in one transaction, under its lease."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from accounts.actors import SYSTEM
from connections.providers.attempts import Observation
from connections.providers.states import FINAL, AttemptState, Reason
from launches.domain.append_event import TimelineLine, append_event, append_events
from launches.domain.apply_reading import write_reading
from launches.domain.claim_attempt import AttemptClaim, hold_attempt
from launches.domain.end_references import OF_REFERENCE, end_references
from launches.domain.end_unclaimed import end_unclaimed, unclaimed_sentence
from launches.domain.go_on import go_on
from launches.domain.move import move
from launches.domain.note_absence import is_only_absent, note_absence, note_presence
from launches.domain.wake_run import wake_run
from launches.live.hints import PURGE
from launches.live.wake import wake
from launches.models import Attempt, Launch, RecipeRun
from launches.other_versions import otherwise_resolved
from launches.poll import Report
from launches.states import may_move
from launches.tokens import trainer_token
from queues.hints import hint_on_commit
from queues.leases import backoff

SOON = timedelta(seconds=1)
LONGEST_WAIT = timedelta(seconds=10)
"""Between two looks at an attempt that is far back in the queue."""


@transaction.atomic
def apply_report(claim: AttemptClaim, report: Report, *, now: datetime) -> timedelta | None:
    """Write the report and give the lease back.

    Answers the time until the next check, None where the attempt is over or the token is stale: then another worker has
    taken it since, and this report is dropped.
    """
    held = hold_attempt(claim)
    if held is None:
        return None
    launch, attempt = held
    before = _visible(attempt)
    if report.in_progress:
        attempt.failures, attempt.detail, delay = 0, report.error, SOON
    elif report.observation is None:
        delay = _note_failure(launch, attempt, report.error)
    elif is_only_absent(attempt, report):
        delay = note_absence(launch, attempt, report, now=now)
    else:
        delay = _next_look(report)
        attempt.failures, attempt.observed_at = 0, now
        note_presence(launch, attempt, report.observation)
        write_reading(launch, attempt, report, claim.claimed_at)
        _apply_observation(launch, attempt, report.observation, now)
    attempt.give_back(due=now + delay)
    if attempt.is_final:
        attempt.save()
        go_on(launch, attempt)
        end_references(launch)
        if launch.deleted_at is not None:
            hint_on_commit(PURGE, launch.pk)
        return None
    if attempt.cancel_requested_at != claim.attempt.cancel_requested_at:
        attempt.next_check_at, delay = now, timedelta()  # somebody cancelled while we talked: see to it at once
    attempt.save()
    if attempt.ready and not claim.attempt.ready:
        wake_run(launch, attempt)
    if report.metrics or report.evaluations or _visible(attempt) != before:
        wake(launch)
    return delay


def _next_look(report: Report) -> timedelta:
    """As soon as the connection likes to be asked; what is far back in its queue less often."""
    assert report.observation is not None
    poll = timedelta(seconds=report.poll_seconds)
    return max(poll, min(LONGEST_WAIT, poll * (report.observation.queue_position or 1)))


def _visible(attempt: Attempt) -> tuple[object, ...]:
    return (
        attempt.state,
        attempt.ready,
        attempt.detail,
        attempt.queue_position,
        attempt.version_asked_at,
        attempt.log_offset,
        attempt.endpoint,
        attempt.failures,
        attempt.absences,
    )


def _note_failure(launch: Launch, attempt: Attempt, error: str) -> timedelta:
    """Retry with jittered backoff: 1 s, 2 s, 4 s ... up to a minute; the timeline tells of the first one only."""
    attempt.failures += 1
    attempt.detail = f"{error} Tried {attempt.failures} times; trying again."
    if attempt.failures == 1:
        append_event(launch, kind="provider", message=f"The provider did not answer: {error}", actor=SYSTEM)
    return backoff(attempt.failures)


def _apply_observation(launch: Launch, attempt: Attempt, seen: Observation, now: datetime) -> None:
    fresh = [line for line in seen.progress if line.number > attempt.progress_read]
    append_events(launch, (TimelineLine("progress", line.message) for line in fresh), actor=SYSTEM)
    attempt.progress_read = max((line.number for line in fresh), default=attempt.progress_read)
    if seen.resumed_from and not attempt.resume_from:
        attempt.resume_from = seen.resumed_from
        append_event(launch, kind="resume", message=f"Goes on from checkpoint {seen.resumed_from}", actor=SYSTEM)
    attempt.submitted_at = attempt.submitted_at or (None if seen.state is AttemptState.REJECTED else now)
    current = AttemptState(attempt.state)
    attempt.queue_position, attempt.endpoint = seen.queue_position, seen.endpoint
    attempt.estimated_start = seen.estimated_start
    _note_remote(launch, attempt, seen, now)
    became_ready = _note_readiness(launch, attempt, seen, now)
    _note_session(launch, seen, now)
    if seen.state is not current and may_move(current, seen.state):
        _move_as_seen(launch, attempt, seen, now)
    else:
        attempt.detail = seen.detail or _under_another_key(launch, attempt, seen)
    if became_ready and attempt.ready:
        append_event(launch, kind="ready", message="Ready: the trainer answers", actor=SYSTEM)
    end_unclaimed(launch, attempt, seen, now=now)


def _under_another_key(launch: Launch, attempt: Attempt, seen: Observation) -> str:
    """That we cannot open its trainer, which runs on; "" where we can, or nobody told what opens it."""
    if not seen.token or attempt.adopted_at or seen.token == trainer_token(launch):
        return ""
    return (
        "It was started under another SLIPWAY_SECRET_KEY, so that no session reaches its trainer, which runs on. Put "
        "the former key back and restart web, worker and beat; or cancel the launch and resume it."
    )


def _note_readiness(launch: Launch, attempt: Attempt, seen: Observation, now: datetime) -> bool:
    """Whether its trainer answers; where it did and does no more, since when. Answers whether it just began to."""
    answers = seen.ready and seen.state is AttemptState.RUNNING
    runs = attempt.state == AttemptState.RUNNING and seen.state not in FINAL
    lost = attempt.ready and not answers and runs
    began = answers and not attempt.ready
    if lost:
        append_event(launch, kind="silent", message="The trainer does not answer any more", actor=SYSTEM)
    attempt.silent_since = now if lost else attempt.silent_since if runs and not answers else None
    attempt.ready = answers
    attempt.ready_at = (attempt.ready_at or now) if answers else None
    return began


def _note_remote(launch: Launch, attempt: Attempt, seen: Observation, now: datetime) -> None:
    """What the engine calls it; and where it resolved the shape to another version than the launch's, that it did.

    Where the account asks for that, the trainer is then kept from its users until somebody agrees.
    """
    attempt.remote_id = seen.remote_id or attempt.remote_id
    attempt.remote_state = seen.remote_state
    attempt.remote_nodes, attempt.remote_gpus = seen.nodes or attempt.remote_nodes, seen.gpus or attempt.remote_gpus
    if seen.gpu_seconds is not None:  # of a job that was put back into its queue the engine counts anew
        attempt.gpu_seconds = max(attempt.gpu_seconds or 0, seen.gpu_seconds)
    if seen.remote_version and seen.remote_version != attempt.remote_version:
        attempt.remote_version = seen.remote_version
        message = otherwise_resolved(launch, attempt)
        asks = launch.account.asks_about_versions and launch.agreed_version != seen.remote_version
        attempt.version_asked_at = now if message and asks else None
        if message:
            append_event(launch, kind="warning", message=message, actor=SYSTEM, data={"version": seen.remote_version})


def _note_session(launch: Launch, seen: Observation, now: datetime) -> None:
    if seen.session_opened and launch.claimed_at is None:
        launch.claimed_at = now
        launch.save(update_fields=["claimed_at"])
        append_event(launch, kind="session", message="A client opened its first session", actor=SYSTEM)


def _move_as_seen(launch: Launch, attempt: Attempt, seen: Observation, now: datetime) -> None:
    """To the provider, whoever asked it for the end was a user; where it was Slipway, its reason is the outcome's."""
    detail, reason = seen.detail, seen.reason
    if seen.state is AttemptState.CANCELLED and attempt.reason == Reason.UNCLAIMED:
        detail, reason = unclaimed_sentence(), Reason.UNCLAIMED
    elif seen.state is AttemptState.CANCELLED and attempt.reason == Reason.POLICY_OVER:
        detail, reason = OF_REFERENCE, Reason.POLICY_OVER
    state = seen.state
    if seen.state is AttemptState.CANCELLED and (run := _ended_run(attempt)):
        state, detail, reason = AttemptState(run.outcome), run.detail, Reason(run.reason)
    move(launch, attempt, state, now=now, detail=detail, reason=reason)


def _ended_run(attempt: Attempt) -> RecipeRun | None:
    """The recipe whose end was the trainer's, which then has its outcome."""
    return RecipeRun.objects.filter(attempt=attempt).exclude(outcome="").first() if attempt.reason else None
