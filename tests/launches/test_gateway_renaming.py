"""Names in an answer that passes in pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from launches.gateway.renaming import Renaming

THERE, HERE = b"accounts/local/deployments/s7k2f-dep-abc", b"accounts/team-a/deployments/dep"
NAMES = [(THERE, HERE), (b'"accounts/local/models/x"', b'"accounts/team/models/x"')]
PIECES = st.sampled_from([THERE, b"acc", b'"', b'"accounts/local/models/x"', b"accounts/local/mo", b"a", b"\n", b""])


@given(st.lists(PIECES, max_size=8), st.lists(st.integers(0, 120), max_size=6))
def test_however_it_is_cut_the_whole_is_the_same(parts: list[bytes], cuts: list[int]) -> None:
    text = b"".join(parts)
    ends = [*sorted(min(cut, len(text)) for cut in cuts), len(text)]
    renaming, told, begin = Renaming(NAMES), b"", 0
    for number, end in enumerate(ends, 1):
        told += renaming.feed(text[begin:end], over=number == len(ends))
        begin = end
    assert told == Renaming(NAMES).replace(text)
    assert THERE not in told


def test_nothing_is_held_back_that_is_no_beginning() -> None:
    renaming = Renaming(NAMES)
    assert renaming.feed(b"data: one", over=False) == b"data: one"
    assert renaming.feed(THERE, over=False) == HERE
    assert renaming.feed(b"x" + THERE[:9], over=False) == b"x"
    assert renaming.feed(b" no name", over=False) == THERE[:9] + b" no name"
