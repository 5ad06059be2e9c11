"""The steps of an attempt, for every way that it can go. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from connections.providers.states import FINAL, AttemptState, Reason, ReasonOwner, owner_of
from launches.pages.endings import WHOSE, ending_of
from launches.pages.stepper import LABELS, steps_of
from launches.states import LEGAL_MOVES, TRAINING_PATH

START = datetime(2026, 1, 1, tzinfo=UTC)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[AttemptState, datetime]]:
    """A legal way through the states, a minute apart, up to anywhere."""
    states = [AttemptState.QUEUED]
    while moves := sorted(LEGAL_MOVES[states[-1]]):
        if draw(st.booleans()):
            break
        states.append(draw(st.sampled_from(moves)))
    return [(state, START + timedelta(minutes=number)) for number, state in enumerate(states)]


@given(histories())
def test_every_way_shows_where_it_was_and_where_it_stands(seen: list[tuple[AttemptState, datetime]]) -> None:
    steps, current = steps_of(seen), seen[-1][0]
    looks = {step.label: step.look for step in steps}
    assert [step for step in steps if step.at] == [step for step in steps if step.label in {LABELS[s] for s, _ in seen}]
    assert all(looks[LABELS[state]] == "done" for state, _ in seen[:-1])
    assert all(step.seconds == 60 for step in steps if step.look == "done")
    if current in FINAL:
        assert "next" not in looks.values() and "now" not in looks.values()
        assert steps[-1].look in {"good", "bad", "over"}
    else:
        assert looks[LABELS[current]] == "now"
        assert steps[-1].label == "Finished"
    assert {LABELS[state] for state in TRAINING_PATH} <= looks.keys()


def test_a_state_that_was_not_seen_is_skipped() -> None:
    seen = [(AttemptState.QUEUED, START), (AttemptState.RUNNING, START)]
    assert [step.look for step in steps_of(seen)] == ["done", "skipped", "skipped", "now", "next"]


def test_every_reason_has_its_words_and_one_owner_and_a_failure_what_to_do() -> None:
    for reason in Reason:
        ending = ending_of(AttemptState.FAILED, reason, asked="petra")
        assert ending.reason and ending.whose == WHOSE[owner_of(reason)] and ending.next
    platform = {reason for reason in Reason if owner_of(reason) is ReasonOwner.PLATFORM}
    assert {Reason.NODE_FAIL, Reason.PREEMPTED, Reason.HOST_STOPPED} <= platform
    assert ending_of(AttemptState.FAILED, None, asked="").whose == WHOSE[ReasonOwner.UNKNOWN]
    for state, reason in ((AttemptState.COMPLETED, Reason.DONE), (AttemptState.CANCELLED, Reason.USER)):
        assert (ending_of(state, reason, asked="petra").whose, ending_of(state, reason, asked="").next) == ("", "")
