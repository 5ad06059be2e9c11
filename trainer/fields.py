"""Reads JSON objects field by field, and says where what was wrong. Pure."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

from trainer.errors import OperationError

SHOWN_CHARACTERS = 60


class Fields:
    """One JSON object of a body, read field by field; `path` is where it stands, for the error messages.

    Every error is an OperationError of status 422 that names the field by its path and what it should have been.
    """

    def __init__(self, value: Any, path: str = "") -> None:
        if not isinstance(value, Mapping):
            raise refuse(path or "body", "a JSON object", value)
        self.value = value
        self.path = path

    def where(self, name: str) -> str:
        name = name if name.isidentifier() and len(name) <= SHOWN_CHARACTERS else shown(name)
        return f"{self.path}.{name}" if self.path else name

    def require(self, name: str) -> Any:
        if self.value.get(name) is None:
            raise OperationError(f"{self.where(name)} is missing.", status=422)
        return self.value[name]

    def text(self, name: str) -> str:
        value = self.require(name)
        if not isinstance(value, str) or not value:
            raise refuse(self.where(name), "a text that is not empty", value)
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = self.value.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise refuse(self.where(name), "true or false", value)
        return value

    def integer(self, name: str, default: int | None, minimum: int) -> int | None:
        value = self.value.get(name)
        if value is None:
            return default
        if type(value) is not int or not minimum <= value < 2**63:
            raise refuse(self.where(name), f"a whole number of at least {minimum}", value)
        return value

    def number(self, name: str, default: float, *, minimum: float = 0.0, below: float = math.inf) -> float:
        value = self.value.get(name)
        if value is None:
            return default
        if not is_number(value) or not minimum <= value < below:
            limit = f"at least {minimum:g}" + (f" and below {below:g}" if below < math.inf else "")
            raise refuse(self.where(name), f"a number of {limit}", value)
        return float(value)

    def child(self, name: str) -> Fields:
        return Fields(self.require(name), self.where(name))


def is_number(value: Any) -> bool:
    """Is it a number that a float holds: no NaN, no infinity, nothing beyond them, neither true nor false?"""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def shown(value: Any) -> str:
    """How a message quotes a value of a body: what cannot be printed is escaped, and what is long is cut."""
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def refuse(where: str, wanted: str, value: Any) -> OperationError:
    return OperationError(f"{where} must be {wanted}, not {shown(value)}.", 422)
