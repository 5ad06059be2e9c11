"""The `filter` of a list: a subset of AIP-160, read with a grammar, checked against the fields it may name. Pure.

    latest_validated=true AND snapshot.trainer_mode="LORA_TRAINER" AND snapshot.parameter_count>=7000000000

Comparisons joined by AND; where a list has it, also a quoted text by itself, which is searched for. Fields are in snake
case. Operators are = != < <= > >= and, on texts, `:` (contains). A value
is quoted, or a bare word. There is no OR, no NOT, no parentheses, no wildcard.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from wire.numbers import read_whole

LONGEST = 2000
MOST_COMPARISONS = 20
MOST_REMEMBERED = 256

FREE_TEXT = ""
"""The field of a text that stands by itself; a list has it where it names it among its fields."""

Value = str | int | bool | datetime

_GRAMMAR = Lark(
    r"""
    start: (comparison | text) ("AND" (comparison | text))*
    comparison: FIELD OPERATOR (STRING | WORD)
    text: STRING
    OPERATOR: "!=" | "<=" | ">=" | "=" | "<" | ">" | ":"
    FIELD: /[A-Za-z_][A-Za-z0-9_.]*/
    STRING: /"(?:[^"\\]|\\.)*"/ | /'(?:[^'\\]|\\.)*'/
    WORD: /[^\s"'()=<>!:]+/
    %ignore /[ \t\r\n]+/
    """,
    parser="lalr",
    lexer="contextual",
)
_SIMPLE_ESCAPES = {'"', "'", "\\"}


class FilterError(ValueError):
    """The filter cannot be read; `column` is the character (from 1) that it stopped at."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(f"{message} (at character {column})")
        self.column = column


class FilterKind(StrEnum):
    """What a field holds, and so which operators it has."""

    BOOLEAN = "true or false"
    CHOICE = "one of its values"
    TEXT = "a text"
    WHOLE = "a whole number"
    TIME = "an RFC 3339 time"


OPERATORS: dict[FilterKind, tuple[str, ...]] = {
    FilterKind.BOOLEAN: ("=", "!="),
    FilterKind.CHOICE: ("=", "!="),
    FilterKind.TEXT: ("=", "!=", "<", "<=", ">", ">=", ":"),
    FilterKind.WHOLE: ("=", "!=", "<", "<=", ">", ">="),
    FilterKind.TIME: ("=", "!=", "<", "<=", ">", ">="),
}


@dataclass(frozen=True)
class FilterField:
    """A field that filters may name; `choices` are the values of a CHOICE."""

    kind: FilterKind
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """One comparison, its value read as the field's kind; FREE_TEXT stands for everything that search looks in."""

    field: str
    operator: str
    value: Value


def parse_filter(text: str, fields: Mapping[str, FilterField]) -> tuple[Comparison, ...]:
    """The comparisons of a filter, all of which must hold; none for an empty one. Errors: `FilterError`."""
    if not text.strip():
        return ()
    if len(text) > LONGEST:
        raise FilterError(f"The filter has {len(text)} characters; the limit is {LONGEST}", LONGEST + 1)
    nodes = [node for node in _parse(text).children if isinstance(node, Tree)]
    if len(nodes) > MOST_COMPARISONS:
        first_too_many = next(nodes[MOST_COMPARISONS].scan_values(lambda token: isinstance(token, Token)))
        raise FilterError(
            f"There are {len(nodes)} comparisons; the limit is {MOST_COMPARISONS}", _column(first_too_many)
        )
    return tuple(_comparison(node, fields) for node in nodes)


@functools.lru_cache(MOST_REMEMBERED)
def _parse(text: str) -> Tree[Token]:
    """What the text consists of; programs ask the same again and again."""
    try:
        return _GRAMMAR.parse(text)
    except UnexpectedToken as error:
        ended = error.token.type == "$END"
        column = len(text) + 1 if ended else (error.token.start_pos or 0) + 1
        found = "the end" if ended else repr(str(error.token)[:20])
        raise FilterError(f"Expected {_wanted(error)}, found {found}", column) from None
    except UnexpectedCharacters as error:
        place = error.pos_in_stream or 0
        raise FilterError(f"{text[place]!r} cannot stand here", place + 1) from None
    except UnexpectedInput as error:
        raise FilterError("It cannot be read", (error.pos_in_stream or 0) + 1) from None


def _wanted(error: UnexpectedToken) -> str:
    words = {
        "FIELD": "a field",
        "OPERATOR": "an operator",
        "STRING": "a value",
        "WORD": "a value",
        "AND": "AND",
        "$END": "the end",
    }
    expected = error.expected - {"STRING"} if "FIELD" in error.expected else error.expected
    return " or ".join(sorted({words.get(name, name) for name in expected}))


def _comparison(node: Tree[Token], fields: Mapping[str, FilterField]) -> Comparison:
    if node.data == "text":
        return _free_text(node, fields)
    name, operator, value = (token for token in node.children if isinstance(token, Token))
    field = fields.get(str(name))
    if field is None:
        raise FilterError(
            f"{str(name)[:60]!r} is no field to filter by; use {', '.join(sorted(fields.keys() - {FREE_TEXT}))}",
            _column(name),
        )
    allowed = OPERATORS[field.kind]
    if str(operator) not in allowed:
        raise FilterError(f"{name} cannot be compared by {operator}; use {' '.join(allowed)}", _column(operator))
    return Comparison(str(name), str(operator), _read(field, value))


def _free_text(node: Tree[Token], fields: Mapping[str, FilterField]) -> Comparison:
    token = next(token for token in node.children if isinstance(token, Token))
    if FREE_TEXT not in fields:
        raise FilterError(
            "A text by itself cannot be searched for here; write a field and an operator before it", _column(token)
        )
    return Comparison(FREE_TEXT, ":", _read(fields[FREE_TEXT], token))


def _column(token: Token) -> int:
    return (token.start_pos or 0) + 1


def _read(field: FilterField, token: Token) -> Value:
    text = _unquoted(token)
    value: Value | None
    match field.kind:
        case FilterKind.TEXT:
            value = None if "\0" in text else text
        case FilterKind.BOOLEAN:
            value = {"true": True, "false": False}.get(text)
        case FilterKind.CHOICE:
            value = text if text in field.choices else None
        case FilterKind.WHOLE:
            value = read_whole(text)
        case FilterKind.TIME:
            value = _time(text)
    if value is None:
        wanted = ", ".join(field.choices) if field.choices else field.kind.value
        raise FilterError(f"{text[:60]!r} is not {'one of ' if field.choices else ''}{wanted}", _column(token))
    return value


def _unquoted(token: Token) -> str:
    if token.type != "STRING":
        return str(token)
    text, escaped, plain = str(token)[1:-1], False, []
    for letter in text:
        if escaped and letter not in _SIMPLE_ESCAPES:
            raise FilterError(f"\\{letter} is no escape; use \\\" \\' or \\\\", _column(token))
        if letter == "\\" and not escaped:
            escaped = True
            continue
        plain.append(letter)
        escaped = False
    return "".join(plain)


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return _in_utc(found) if found.tzinfo is not None else None


def _in_utc(moment: datetime) -> datetime:
    """The moment in UTC, since databases know fewer offsets; the first or last one where it is beyond those."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return (datetime.min if moment.year == 1 else datetime.max).replace(tzinfo=UTC)
