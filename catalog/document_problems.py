"""What is wrong with a catalog document: where, and what to write instead. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_PROBLEMS = 200
"""How many are told at once; reading a file with more stops there."""
_LONGEST_SHOWN = 60


@dataclass(frozen=True)
class Problem:
    """One thing wrong: the line (from 1), the field's path such as `models[3].shapes[0].gpus`, and a remedy."""

    line: int
    field: str
    text: str


@dataclass(frozen=True)
class Place:
    """Where an entry stands in its document: its line (from 1) and its path."""

    line: int = 1
    path: str = "document"

    def problem(self, key: str, text: str) -> Problem:
        """What is wrong with a key of the entry."""
        return Problem(self.line, f"{self.path}.{key}", text)


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


def shown(value: object) -> str:
    """The value as a message repeats it: cut where it is long."""
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
