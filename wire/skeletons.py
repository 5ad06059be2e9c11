"""Which names look alike: skeletons as Unicode TR39 defines them (section 4). Pure.

The table of confusable characters is that of homoglyphs_fork, which follows Unicode's confusables.txt; of the libraries
with a table it is the one that is kept, and ICU's own bindings have no wheels. What it offers itself are variants of a
text, not skeletons, so these few lines are here.
"""

from __future__ import annotations

import functools
import json
import unicodedata
from collections.abc import Iterable, Mapping
from importlib.resources import files

_IGNORED = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Characters that are not drawn, though they are no format characters."""
_MARK = "\u200e"
"""Stands beside right-to-left letters in the table, for those who read it."""


def skeleton(text: str) -> str:
    """The same for all texts that look the same; to compare, not to show."""
    if text.isascii():
        return text.translate(_prototypes())
    visible = "".join(letter for letter in unicodedata.normalize("NFD", text) if not _is_ignored(letter))
    return unicodedata.normalize("NFD", visible.translate(_prototypes()))


def looks_of(name: str) -> frozenset[tuple[str, str]]:
    """How a name looks as it is written, and in small letters, as names are compared without case."""
    return frozenset({("written", skeleton(name)), ("small", skeleton(name.casefold()))})


def look_alike(name: str, others: Iterable[str]) -> str | None:
    """The first of the others that looks like the name."""
    looks = looks_of(name)
    return next((other for other in others if looks & looks_of(other)), None)


def groups_of(names: Iterable[str]) -> list[list[str]]:
    """Those of the names that look like another one, together with it."""
    by_look: dict[tuple[str, str], list[str]] = {}
    for name in names:
        for look in looks_of(name):
            by_look.setdefault(look, []).append(name)
    return sorted({tuple(sorted(alike)): sorted(alike) for alike in by_look.values() if len(alike) > 1}.values())


def _is_ignored(letter: str) -> bool:
    return unicodedata.category(letter) == "Cf" or letter in _IGNORED or "\ufe00" <= letter <= "\ufe0f"


@functools.cache
def _prototypes() -> Mapping[int, str]:
    """What each character is replaced by. The table has every pair twice, from and to its prototype."""
    read: dict[str, list[str]] = json.loads((files("homoglyphs_fork") / "confusables.json").read_text(encoding="utf-8"))
    table = {one.replace(_MARK, ""): [other.replace(_MARK, "") for other in others] for one, others in read.items()}
    single = {one: [other for other in others if len(other) == 1] for one, others in table.items() if len(one) == 1}

    def centre(letter: str) -> str:
        """The prototype of a class of single characters: the one to which all others are alike."""
        alike = single.get(letter, [])
        if len(alike) != 1:
            return letter
        return alike[0] if len(single[alike[0]]) > 1 else min(letter, alike[0])

    found: dict[int, str] = {}
    for letter in single:
        sequence = next((other for other in table[letter] if len(other) > 1), None)
        found[ord(letter)] = "".join(map(centre, sequence)) if sequence else centre(letter)
    return found
