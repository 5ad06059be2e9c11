"""Page tokens come back as they went out, and only for the question that they were made for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.page_tokens import PageTokenError, read_token, write_token

KEY = b"a key of these tests"
CURSORS = st.lists(st.none() | st.booleans() | st.integers() | st.text(max_size=40), max_size=4)
QUESTIONS = st.lists(st.text(max_size=20), max_size=4)


@given(CURSORS, QUESTIONS)
def test_the_cursor_comes_back(cursor: list[str | int | bool | None], question: list[str]) -> None:
    assert read_token(write_token(cursor, question=question, key=KEY), question=question, key=KEY) == cursor


@given(CURSORS, QUESTIONS, QUESTIONS)
def test_another_question_is_refused(cursor: list[str | int | bool | None], one: list[str], other: list[str]) -> None:
    token = write_token(cursor, question=one, key=KEY)
    if one != other:
        with pytest.raises(PageTokenError):
            read_token(token, question=other, key=KEY)
    with pytest.raises(PageTokenError):
        read_token(token, question=one, key=b"another key")


@given(CURSORS, st.data())
def test_a_changed_token_is_refused(cursor: list[str | int | bool | None], data: st.DataObject) -> None:
    token = write_token(cursor, question=["q"], key=KEY)
    place = data.draw(st.integers(0, len(token) - 2))
    letter = data.draw(st.sampled_from([c for c in "Aa0_-" if c != token[place]]))
    with pytest.raises(PageTokenError, match="Send the same parameters"):
        read_token(token[:place] + letter + token[place + 1 :], question=["q"], key=KEY)


@given(st.text(max_size=100))
def test_made_up_tokens_are_refused(token: str) -> None:
    with pytest.raises(PageTokenError):
        read_token(token, question=["q"], key=KEY)
