"""Text that comes token by token is the text of the whole, up to the first stop."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from sampler.text import TextStream


def decode(tokens: Sequence[int]) -> str:
    """Each token is a byte: the hardest that a byte-level tokenizer can do."""
    return bytes(tokens).decode("utf-8", "replace")


def read(tokens: Sequence[int], stops: Sequence[str] = ()) -> tuple[list[str], str, bool]:
    stream = TextStream(decode, stops)
    parts = []
    for token in tokens:
        parts.append(stream.push(token))
        if stream.stopped:
            break
    return parts, "".join(parts) + stream.finish(), stream.stopped


@given(st.text(max_size=20))
def test_characters_come_whole(text: str) -> None:
    parts, whole, stopped = read(text.encode())
    assert whole == text and not stopped
    assert all("\ufffd" not in part for part in parts) or "\ufffd" in text


@given(st.text("ab€", max_size=20), st.lists(st.text("ab€", min_size=1, max_size=3), min_size=1, max_size=3))
def test_it_ends_before_the_first_stop_and_never_tells_of_one(text: str, stops: list[str]) -> None:
    found = [text.find(stop) for stop in stops if stop in text]
    parts, whole, stopped = read(text.encode(), stops)
    assert stopped == bool(found)
    if found:
        # Tokens end the search as they come: the stop that is complete first decides.
        seen = text[: min(text.find(stop) + len(stop) for stop in stops if stop in text)]
        assert whole == text[: min(seen.find(stop) for stop in stops if stop in seen)]
    else:
        assert whole == text
    assert not any(stop in "".join(parts) for stop in stops)


def test_bytes_that_become_no_character_are_not_held_for_ever() -> None:
    parts, whole, _ = read([0xFF] * 12)
    assert whole and any(parts)
