"""A class has a name of its own, so that a search for it finds one thing."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ELSEWHERE = {"node_modules", "var", "migrations", "stand_in", "stand_in_cookbook"}
ALONE = {"runner", "sampler", "trainer"}
"""Import nothing of the rest, nor the rest of them, and so may use the same words."""
DJANGOS = {"Command"}
"""Names that Django looks for."""


def classes() -> dict[str, list[str]]:
    """The classes of every module, by name: where they are."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(ROOT.rglob("*.py")):
        place = path.relative_to(ROOT)
        if ELSEWHERE.isdisjoint(place.parts) and place.parts[0] not in ALONE and not place.parts[0].startswith("."):
            for name in re.findall(r"^class (\w+)", path.read_text(), re.MULTILINE):
                found[name].append(str(place))
    return found


def test_no_two_classes_have_one_name() -> None:
    twice = {name: places for name, places in classes().items() if len(places) > 1 and name not in DJANGOS}
    assert twice == {}, "name each by what it is"
