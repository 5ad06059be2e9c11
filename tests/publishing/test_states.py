"""The graph of a validation's states."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from publishing.states import ACTIVE, FINAL, LEGAL_MOVES, ValidationState, may_move


def test_every_state_has_its_moves_final_ones_have_none_and_every_other_may_fail() -> None:
    assert LEGAL_MOVES.keys() == set(ValidationState)
    assert all(not LEGAL_MOVES[state] for state in FINAL)
    assert all(may_move(state, ValidationState.FAILED) for state in ACTIVE)


@given(st.sampled_from(ValidationState), st.lists(st.sampled_from(ValidationState), max_size=12))
def test_no_walk_goes_back_and_only_a_run_passes(start: ValidationState, wishes: list[ValidationState]) -> None:
    path = [start]
    for wish in wishes:
        if may_move(path[-1], wish):
            path.append(wish)
    order = list(ValidationState)
    assert [order.index(state) for state in path] == sorted({order.index(state) for state in path})
    assert not FINAL & set(path[:-1])
    if len(path) > 1 and path[-1] is ValidationState.PASSED:
        assert path[-2] is ValidationState.RUNNING
