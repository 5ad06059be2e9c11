"""What a single value of a catalog document may be: each kind reads it, or says why it is none. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from catalog.labels import read_tokens
from wire.numbers import read_whole
from wire.texts import unseen_in

Meaning = TypeVar("Meaning")
Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True)
class ScalarKind(Generic[Meaning]):
    """`read` gives what a value means. Errors: `ValueError`, whose sentence goes on after the value as it is written.

    `stand_in` is what reading goes on with where a value that must be there is not; `missing` and `empty` say so.
    """

    read: Callable[[Any], Meaning]
    stand_in: Meaning
    missing: str = "is missing"
    empty: str = "is empty"


def text(longest: int, *, lines: bool = False, empty: bool = False) -> ScalarKind[str]:
    """A text of 1 to `longest` characters, with `lines` of several lines, with `empty` also of none."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or not (value or empty) or len(value) > longest:
            quotes = "" if isinstance(value, str) else "; put it in quotes"
            raise ValueError(f"is no text of 1 to {longest} characters{quotes}")
        if unseen := unseen_in(value, lines=lines):
            raise ValueError(f"holds {unseen}; remove it")
        return value

    return ScalarKind(read, "")


def whole(least: int, most: int) -> ScalarKind[int]:
    """A whole number within the bounds."""

    def read(value: Any) -> int:
        number = None if isinstance(value, str) else read_whole(value)
        if number is None or not least <= number <= most:
            raise ValueError(f"is no whole number from {least} to {most}")
        return number

    return ScalarKind(read, least)


def tokens(most: int) -> ScalarKind[int]:
    """A length in tokens, from 1, written as a number or as lengths are shown, such as 256k."""
    plain = whole(1, most)

    def read(value: Any) -> int:
        if not isinstance(value, str):
            return plain.read(value)
        try:
            number = read_tokens(value)
        except ValueError as error:
            raise ValueError(f"is no length from 1 to {most}; {error}") from None
        if not 1 <= number <= most:
            raise ValueError(f"is {number} tokens, and no length from 1 to {most}")
        return number

    return ScalarKind(read, 0)


def choice(choices: type[Choice]) -> ScalarKind[Choice]:
    """One of the enumeration's values."""
    known = ", ".join(choices)
    missing = f"is missing; write one of {known}"

    def read(value: Any) -> Choice:
        if value not in list(choices):
            raise ValueError(f"is none of {known}")
        return choices(value)

    return ScalarKind(read, next(iter(choices)), missing, missing)


def _read_flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("is neither true nor false")
    return value


FLAG = ScalarKind(_read_flag, False)
