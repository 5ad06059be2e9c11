"""Random sequences of verbs and observations keep the invariants of a launch."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.actors import user_actor
from connections.providers.states import FINAL, AttemptState
from launches.domain.apply_report import apply_report
from launches.domain.cancel_launch import cancel_launch
from launches.domain.claim_attempt import AttemptClaim, claim_attempt
from launches.domain.delete_launch import delete_launch
from launches.domain.resume_launch import resume_launch
from launches.models import Attempt, Launch
from launches.poll import Report
from launches.states import ACTIVE, LEGAL_MOVES, may_move
from tests.launches.makers import make_launch, seen
from wire.errors import Refusal

OBSERVED = [state for state in AttemptState if state not in (AttemptState.QUEUED, AttemptState.CANCELLING)]
STEPS = st.one_of(
    st.sampled_from(["cancel", "resume", "delete", "claim", "error"]),
    st.tuples(st.just("observe"), st.sampled_from(OBSERVED), st.booleans()),
)


def test_every_state_has_its_moves_and_final_states_have_none() -> None:
    assert LEGAL_MOVES.keys() == set(AttemptState)
    assert all(not LEGAL_MOVES[state] for state in FINAL)
    assert all(may_move(state, AttemptState.CANCELLING) for state in ACTIVE - {AttemptState.CANCELLING})


@given(st.sampled_from(AttemptState), st.lists(st.sampled_from(AttemptState), max_size=12))
def test_no_walk_leaves_a_final_state_or_visits_a_state_twice(state: AttemptState, wishes: list[AttemptState]) -> None:
    path = [state]
    for wish in wishes:
        if may_move(path[-1], wish):
            path.append(wish)
    assert len(path) == len(set(path))
    assert not FINAL & set(path[:-1])


@pytest.mark.e2e  # for how long it takes
@pytest.mark.django_db
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, max_size=14))
def test_random_lives(steps: list[str | tuple[str, AttemptState, bool]]) -> None:
    launch = make_launch()
    claims: list[AttemptClaim] = []
    outcomes: dict[int, tuple[str, str]] = {}
    for step in steps:
        with suppress(Refusal):
            _take(step, launch, claims)
        _check(launch, outcomes)


def _take(step: str | tuple[str, AttemptState, bool], launch: Launch, claims: list[AttemptClaim]) -> None:
    actor = user_actor(launch.owner)
    now = timezone.now() + timedelta(hours=len(claims))  # every claim finds the lease before it run out
    match step:
        case "cancel":
            cancel_launch(actor=actor, launch=launch)
        case "resume":
            resume_launch(actor=actor, launch=launch)
        case "delete":
            delete_launch(actor=actor, launch=launch)
        case "claim":
            if claim := claim_attempt(launch.attempts.latest("number").pk, now=now):
                claims.append(claim)
        case "error" if claims:
            apply_report(claims[-1], Report(None, error="No answer."), now=now)
        case (_, state, stale) if claims:
            apply_report(claims[0 if stale else -1], seen(state, ready=True), now=now)


def _check(launch: Launch, outcomes: dict[int, tuple[str, str]]) -> None:
    launch.refresh_from_db()
    attempts = list(Attempt.objects.filter(launch=launch).order_by("number"))
    assert [attempt.number for attempt in attempts] == list(range(1, launch.attempt_count + 1))
    assert all(attempt.is_final for attempt in attempts[:-1])
    assert launch.state == attempts[-1].state
    for attempt in attempts:
        assert attempt.is_final == (attempt.finished_at is not None)
        assert not (attempt.ready and attempt.state not in ("RUNNING", "CANCELLING"))
        if attempt.is_final:
            assert outcomes.setdefault(attempt.number, (attempt.state, attempt.reason)) == (
                attempt.state,
                attempt.reason,
            )
    sequences = list(launch.events.order_by("sequence").values_list("sequence", flat=True))
    assert sequences == list(range(1, launch.last_event + 1))
    if launch.deleted_at is not None:
        assert attempts[-1].is_final or attempts[-1].cancel_requested_at is not None


@pytest.mark.django_db
@pytest.mark.parametrize("state", [AttemptState.PENDING, AttemptState.CREATING])
def test_only_a_running_trainer_is_ready(state: AttemptState) -> None:
    launch = make_launch()
    claim = claim_attempt(launch.attempts.get().pk, now=timezone.now())
    assert claim is not None
    apply_report(claim, seen(state, ready=True), now=timezone.now())
    assert not launch.attempts.get().ready
