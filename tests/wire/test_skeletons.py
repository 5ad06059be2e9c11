"""Which names look alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.skeletons import groups_of, look_alike, looks_of, skeleton

CYRILLIC = "\u0430dmin"


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("admin", CYRILLIC),
        ("admin", "\u0410DMIN"),  # in capitals
        ("admin", "adrnin"),
        ("admin", "\uff41dmin"),  # full width
        ("admin", "\U0001d5bamin".replace("min", "dmin")),  # a mathematical letter
        ("admin", "admin\u200d"),
        ("admin", "admi\u034fn"),
        ("paypal", "\u0440\u0430\u0443\u0440\u0430l"),
        ("Ivan", "lvan"),
        ("team-10", "team-lO"),
        ("caf\u00e9", "cafe\u0301"),
    ],
)
def test_these_look_alike(name: str, other: str) -> None:
    assert look_alike(name, ["anna", other]) == other
    assert look_alike(other, [name]) == name


@pytest.mark.parametrize(("name", "other"), [("anna", "hanna"), ("ab", "ba"), ("ail", "all"), ("e", "\u00e9")])
def test_these_do_not(name: str, other: str) -> None:
    assert look_alike(name, [other]) is None


def test_those_that_look_alike_are_found_among_many() -> None:
    names = ["anna", "admin", "berta", CYRILLIC, "Ivan", "lvan"]
    assert groups_of(names) == [["Ivan", "lvan"], ["admin", CYRILLIC]]


@given(st.text(st.characters(codec="latin-1"), max_size=20))
def test_a_name_looks_like_itself(name: str) -> None:
    assert looks_of(name) & looks_of(name)
    assert skeleton(name) == skeleton(name + "\u200b")
