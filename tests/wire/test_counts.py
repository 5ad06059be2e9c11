"""One is one, and nothing and many are several."""

from __future__ import annotations

import pytest

from wire.counts import quantity


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 nodes"), (1, "1 node"), (2, "2 nodes"), (1024, "1,024 nodes"), (-1, "-1 nodes")]
)
def test_a_number_and_what_it_counts(number: int, words: str) -> None:
    assert quantity(number, "node") == words


def test_a_plural_of_its_own() -> None:
    assert [quantity(number, "entry", "entries") for number in (1, 2)] == ["1 entry", "2 entries"]
