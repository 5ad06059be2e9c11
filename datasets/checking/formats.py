"""The formats of rows: how one is told by its fields, what a row of it must hold, and what of that is learnt. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from datasets.checking.problems import RowProblem

ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_LEADING = frozenset({"system", "developer"})
Tell = Callable[[RowProblem, str, object], object]
"""Takes a problem, the path of the field, and the value there."""
Row = Mapping[str, Any]


class DatasetFormat(StrEnum):
    """What the rows of a dataset are; `CHAT` and `COMPLETION` are the public API's words."""

    CHAT = "CHAT"
    COMPLETION = "COMPLETION"
    PREFERENCE = "PREFERENCE"
    TEXT = "TEXT"


class RowPart(NamedTuple):
    """A part of a row as it is shown; `is_learnt` where the loss is taken on it."""

    label: str
    text: str
    is_learnt: bool


_FIELDS: tuple[tuple[DatasetFormat, tuple[str, ...]], ...] = (
    (DatasetFormat.PREFERENCE, ("chosen", "rejected")),
    (DatasetFormat.CHAT, ("messages",)),
    (DatasetFormat.COMPLETION, ("prompt", "completion")),
    (DatasetFormat.TEXT, ("text",)),
)


def format_of(row: Row) -> DatasetFormat | None:
    """The format that the row's fields are of; None where they are of none."""
    for found, fields in _FIELDS:
        if all(name in row for name in fields):
            return found
    return None


def missing_field(row: Row, wanted: DatasetFormat) -> str:
    """The first field that a row of the format lacks."""
    return next((name for name in dict(_FIELDS)[wanted] if name not in row), "")


def check_row(row: Row, kind: DatasetFormat, tell: Tell) -> int:
    """Look at a row of the format, tell what is wrong, and answer how many characters of text it has.

    Of a preference pair these are its prompt's and the longer answer's.
    """
    if kind is DatasetFormat.CHAT:
        return _conversation(row["messages"], "messages", tell)
    if kind is DatasetFormat.COMPLETION:
        return _text(row["prompt"], "prompt", tell, RowProblem.EMPTY_MESSAGE) + _text(
            row["completion"], "completion", tell, RowProblem.EMPTY_ANSWER
        )
    if kind is DatasetFormat.TEXT:
        return _text(row["text"], "text", tell, RowProblem.EMPTY_ANSWER)
    return _pair(row, tell)


def turns_of(row: Row, kind: DatasetFormat) -> list[RowPart]:
    """The parts of a row that `check_row` found nothing wrong with, in order."""
    if kind is DatasetFormat.CHAT:
        return _turns(row["messages"])
    if kind is DatasetFormat.COMPLETION:
        return [RowPart("prompt", row["prompt"], False), RowPart("completion", row["completion"], True)]
    if kind is DatasetFormat.TEXT:
        return [RowPart("text", row["text"], True)]
    prompt = row.get("prompt")
    before = (
        [] if prompt is None else _turns(prompt) if isinstance(prompt, list) else [RowPart("prompt", prompt, False)]
    )
    return [*before, *_side(row, "chosen"), *_side(row, "rejected")]


def _side(row: Row, name: str) -> list[RowPart]:
    said = _messages(row[name])
    if isinstance(said, str):
        return [RowPart(name, said, True)]
    return [RowPart(f"{name}: {turn.label}", turn.text, turn.is_learnt) for turn in _turns(said)]


def _turns(messages: list[Row]) -> list[RowPart]:
    return [RowPart(each["role"], _said(each), each["role"] == "assistant") for each in messages]


def _said(message: Row) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content or ())


def _messages(side: Any) -> Any:
    """The messages of a side of a pair, which may be wrapped as those of a chat are."""
    return side["messages"] if isinstance(side, dict) and "messages" in side else side


def _pair(row: Row, tell: Tell) -> int:
    chosen, rejected, prompt = _messages(row["chosen"]), _messages(row["rejected"]), row.get("prompt")
    if chosen == rejected:
        tell(RowProblem.EQUAL_PAIR, "rejected", rejected)
    if isinstance(chosen, str):
        if prompt is None:
            tell(RowProblem.MISSING_FIELD, "prompt", row)
            return 0
        before = _text(prompt, "prompt", tell, RowProblem.EMPTY_MESSAGE)
        sides = [
            _text(side, name, tell, RowProblem.EMPTY_ANSWER)
            for name, side in (("chosen", chosen), ("rejected", rejected))
        ]
    else:
        before = 0 if prompt is None else _conversation(prompt, "prompt", tell, answers=False)
        sides = [_conversation(side, name, tell) for name, side in (("chosen", chosen), ("rejected", rejected))]
    return before + max(sides)


def _text(value: Any, where: str, tell: Tell, empty: RowProblem) -> int:
    if not isinstance(value, str):
        tell(RowProblem.WRONG_TYPE, where, value)
        return 0
    if not value or value.isspace():
        tell(empty, where, value)
    return len(value)


def _conversation(messages: Any, where: str, tell: Tell, *, answers: bool = True) -> int:
    """Messages, of which with `answers` the last is to be the assistant's."""
    if not isinstance(messages, list):
        tell(RowProblem.WRONG_TYPE, where, messages)
        return 0
    if not messages:
        tell(RowProblem.NO_MESSAGES, where, messages)
        return 0
    length, before = 0, ""
    for at, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if not isinstance(role, str):
            tell(RowProblem.WRONG_TYPE, f"{where}[{at}]", message)
            return length
        if role not in ROLES:
            tell(RowProblem.UNKNOWN_ROLE, f"{where}[{at}].role", role)
            return length
        content = message.get("content")
        if type(content) is str:
            size, is_empty = len(content), not content or content.isspace()
        else:
            size, is_empty = _parts(content, message, f"{where}[{at}].content", tell)
        if is_empty:
            problem = RowProblem.EMPTY_ANSWER if role == "assistant" else RowProblem.EMPTY_MESSAGE
            tell(problem, f"{where}[{at}].content", content)
        if (role == before and role != "tool") or (at and role in _LEADING):
            tell(RowProblem.ROLE_ORDER, f"{where}[{at}].role", role)
        length, before = length + size, role
    if answers and before != "assistant":
        tell(RowProblem.NO_ANSWER, f"{where}[{len(messages) - 1}].role", before)
    return length


def _parts(content: Any, message: Row, where: str, tell: Tell) -> tuple[int, bool]:
    """Characters of a content that is no text, and whether it is empty: parts of text, or nothing beside tool calls."""
    if content is None and message.get("tool_calls"):
        return 0, False
    if not isinstance(content, list) or not all(
        isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str) for part in content
    ):
        tell(RowProblem.WRONG_TYPE, where, content)
        return 0, False
    return sum(len(part["text"]) for part in content), not any(part["text"].strip() for part in content)
