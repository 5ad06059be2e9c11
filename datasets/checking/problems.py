"""What can be wrong with a row: which of it refuses the file, in which words, and how each is kept. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from wire.counts import quantity

MOST_EXAMPLES = 5
"""Of each problem; the others are counted."""
LONGEST_SHOWN = 80
"""Characters of a value as it was written."""


class RowProblem(StrEnum):
    """A kind of problem."""

    COMPRESSED = "COMPRESSED"
    NOT_UTF8 = "NOT_UTF8"
    NOT_JSON = "NOT_JSON"
    NOT_A_NUMBER = "NOT_A_NUMBER"
    NOT_AN_OBJECT = "NOT_AN_OBJECT"
    LINE_TOO_LONG = "LINE_TOO_LONG"
    NO_FORMAT = "NO_FORMAT"
    OTHER_FORMAT = "OTHER_FORMAT"
    MISSING_FIELD = "MISSING_FIELD"
    WRONG_TYPE = "WRONG_TYPE"
    NO_MESSAGES = "NO_MESSAGES"
    UNKNOWN_ROLE = "UNKNOWN_ROLE"
    NO_ANSWER = "NO_ANSWER"
    EMPTY_ANSWER = "EMPTY_ANSWER"
    NO_ROWS = "NO_ROWS"
    BYTE_ORDER_MARK = "BYTE_ORDER_MARK"
    CARRIAGE_RETURN = "CARRIAGE_RETURN"
    BLANK_LINE = "BLANK_LINE"
    DUPLICATE = "DUPLICATE"
    EQUAL_PAIR = "EQUAL_PAIR"
    EMPTY_MESSAGE = "EMPTY_MESSAGE"
    ROLE_ORDER = "ROLE_ORDER"
    NOT_COMPARED = "NOT_COMPARED"


@dataclass(frozen=True)
class Wording:
    """What a problem is, and what to do; `refuses` where no recipe can train on a file that has it."""

    title: str
    remedy: str
    refuses: bool = True


_ROWS = (
    'Each line is one of {"messages": [...]}, {"prompt": "...", "completion": "..."}, '
    '{"prompt": "...", "chosen": "...", "rejected": "..."} and {"text": "..."}.'
)
WORDINGS: Mapping[RowProblem, Wording] = {
    RowProblem.COMPRESSED: Wording("The file is compressed or binary", "Unpack it, and upload the JSONL file itself."),
    RowProblem.NOT_UTF8: Wording("Not UTF-8", "Save the file as UTF-8."),
    RowProblem.NOT_JSON: Wording(
        "Not JSON", "Write one whole JSON object a line (JSONL): no list around them, no comma or comment after one."
    ),
    RowProblem.NOT_A_NUMBER: Wording("A number that JSON does not have", "Write a number or null, or leave it out."),
    RowProblem.NOT_AN_OBJECT: Wording("Not a JSON object", _ROWS),
    RowProblem.LINE_TOO_LONG: Wording("Line longer than 8 MiB", "Split the row; no model has so long a context."),
    RowProblem.NO_FORMAT: Wording("Fields of no format", _ROWS),
    RowProblem.OTHER_FORMAT: Wording(
        "Another format than the rows before", "Upload the rows of each format by itself."
    ),
    RowProblem.MISSING_FIELD: Wording("A field is missing", "Add it to the row, or leave the row out."),
    RowProblem.WRONG_TYPE: Wording("A value of the wrong type", "Write a text, or a list of messages where one goes."),
    RowProblem.NO_MESSAGES: Wording("No messages", "Add the messages, or leave the row out."),
    RowProblem.UNKNOWN_ROLE: Wording("Unknown role", "Use system, user, assistant or tool."),
    RowProblem.NO_ANSWER: Wording(
        "No answer at the end", "Let the last message be the assistant's: it is what is learnt."
    ),
    RowProblem.EMPTY_ANSWER: Wording("Empty answer", "Write what the model is to learn, or leave the row out."),
    RowProblem.NO_ROWS: Wording("No rows", _ROWS),
    RowProblem.BYTE_ORDER_MARK: Wording("Begins with a byte order mark", "Nothing: it is left out.", refuses=False),
    RowProblem.CARRIAGE_RETURN: Wording("Lines end as on Windows", "Nothing: it makes no difference.", refuses=False),
    RowProblem.BLANK_LINE: Wording("Blank line", "Nothing: it is left out.", refuses=False),
    RowProblem.DUPLICATE: Wording(
        "The same row again", "Leave it out, unless it is to count more than the others.", refuses=False
    ),
    RowProblem.EQUAL_PAIR: Wording(
        "Chosen and rejected are the same", "Leave it out: nothing is learnt from it.", refuses=False
    ),
    RowProblem.EMPTY_MESSAGE: Wording(
        "Empty message", "Look whether a question or an instruction got lost.", refuses=False
    ),
    RowProblem.ROLE_ORDER: Wording(
        "Roles in an unusual order",
        "Begin with the system's message, then let user and assistant take turns: some chat templates refuse others.",
        refuses=False,
    ),
    RowProblem.NOT_COMPARED: Wording(
        "More rows than are compared", "Nothing: the rows from here on were not compared with others.", refuses=False
    ),
}


@dataclass
class Finding:
    """How often there is a problem, and the first places: line, field, and the value as it was written."""

    problem: RowProblem
    count: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """To be kept; `Findings.read` takes it back."""
        return {"problem": self.problem.value, "count": self.count, "examples": self.examples}

    @property
    def wording(self) -> Wording:
        """In words."""
        return WORDINGS[self.problem]


class Findings:
    """What was found so far: each kind once, in memory that does not grow with the file."""

    def __init__(self) -> None:
        self._found: dict[RowProblem, Finding] = {}

    def add(self, problem: RowProblem, line: int, where: str = "", value: object = b"") -> None:
        """One more; `where` is the field's path, such as `messages[2].role`."""
        found = self._found.get(problem)
        if found is None:
            found = self._found[problem] = Finding(problem)
        found.count += 1
        if len(found.examples) < MOST_EXAMPLES:
            found.examples.append({"line": line, "field": where, "value": written(value)})

    @property
    def refuse(self) -> bool:
        """Whether anything of it refuses the file."""
        return any(WORDINGS[problem].refuses for problem in self._found)

    def in_order(self) -> list[Finding]:
        """What refuses first, each in the order in which problems are declared."""
        return [self._found[problem] for problem in RowProblem if problem in self._found]


def read_findings(kept: list[dict[str, Any]]) -> list[Finding]:
    """Findings from what was kept."""
    return [Finding(RowProblem(each["problem"]), each["count"], each["examples"]) for each in kept]


def written(value: object) -> str:
    """The value as JSON would write it, or bytes as text, cut to what a person needs to find it."""
    if isinstance(value, bytes):
        text = value[: 4 * LONGEST_SHOWN].decode("utf-8", "replace")
    elif isinstance(value, str):
        text = value[: LONGEST_SHOWN + 1] if value.strip() else f'"{value[:LONGEST_SHOWN]}"'
    elif isinstance(value, dict):
        text = "{" + ", ".join(str(name)[:LONGEST_SHOWN] for name in list(value)[:10]) + "}"
    elif isinstance(value, list):
        text = f"[{quantity(len(value), 'value')}]" if value else "[]"
    else:
        text = {None: "null", True: "true", False: "false"}.get(value) or str(value)  # type: ignore[call-overload]
    text = "".join(letter if letter.isprintable() else "�" for letter in text)
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"
