"""What is wrong with a catalog document: where, and what to write instead. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MAX_PROBLEMS = 200
"""How many are told at once; reading a file with more stops there."""
_LONGEST_SHOWN = 60
_ODD_SPACE = re.compile("[\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]")


@dataclass(frozen=True)
class Problem:
    """One thing wrong: the line (from 1), the field's path such as `models[3].shapes[0].gpus`, and a remedy."""

    line: int
    field: str
    text: str


@dataclass(frozen=True)
class Place:
    """Where an entry stands in its document: its line (from 1), its path, and the lines of its keys' values.

    The keys of mappings inside of it stand below theirs: `deprecated.successor`.
    """

    line: int = 1
    path: str = "document"
    lines: Mapping[str, int] = field(default_factory=dict, compare=False)

    def problem(self, key: str, text: str) -> Problem:
        """What is wrong with a key of the entry."""
        return Problem(self.line_of(key), self.at(key), text)

    def line_of(self, key: str) -> int:
        """Of the key's value; where it is not written, of what it would stand in."""
        while key:
            if key in self.lines:
                return self.lines[key]
            key = key.rpartition(".")[0]
        return self.line

    def at(self, key: str) -> str:
        """The key's path, without what would break its line; cut where it is long."""
        named = key if len(key) <= _LONGEST_SHOWN and key.isprintable() else shown(key)
        return named if self.path == "document" else f"{self.path}.{named}"


class DocumentError(Exception):
    """The document cannot be used; `problems` says why, in the order of its lines.

    `unread` says that there were so many that the rest of the file was not read.
    """

    def __init__(self, source: str, problems: list[Problem], *, unread: bool = False) -> None:
        self.problems, self.unread = sorted(problems, key=lambda problem: problem.line), unread
        lines = [f"{source}:{problem.line}: {problem.field}: {problem.text}" for problem in self.problems]
        rest = [f"{source}: the rest was not read; mend these {len(lines)} first"] if unread else []
        super().__init__("\n".join([*lines, *rest]))


class Enough(Exception):
    """There are so many problems that reading stops."""


@dataclass
class Reporter:
    """Collects the problems of one document."""

    problems: list[Problem] = field(default_factory=list)

    def note(self, problem: Problem) -> None:
        """Keep it. Errors: `Enough` with the last one that is told."""
        self.problems.append(problem)
        if len(self.problems) == MAX_PROBLEMS:
            raise Enough

    def note_repeated(self, key: str, entries: Sequence[tuple[str, Place]]) -> None:
        """Note every entry whose name, the value of `key`, another one had before it. Errors: `Enough`."""
        first: dict[str, Place] = {}
        for name, place in entries:
            if name and (before := first.setdefault(name, place)) is not place:
                self.note(place.problem(key, f"{name} is there already, in line {before.line_of(key)}; keep one"))


def odd_space(text: str) -> str:
    """That the text has a space which YAML takes for a letter, to follow on what came of it; "" where it has none."""
    found = _ODD_SPACE.search(text)
    if not found:
        return ""
    name = "a no-break space" if found[0] in "\xa0\u202f" else "a space of its own kind"
    return f" (it holds {name}, U+{ord(found[0]):04X}, which is a letter to YAML: write a plain space)"


def shown(value: object) -> str:
    """The value as a message repeats it: cut where it is long."""
    return cut(repr(value))


def cut(text: str) -> str:
    """The text as far as a message repeats it."""
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
