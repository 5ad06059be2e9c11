"""What readers of YAML take an unquoted value for: by version 1.1, by the core schema of 1.2, and by looser ones. Pure.

Source: yaml.org/type (1.1) and section 10.3 of the YAML 1.2.2 specification. A catalog file says only what all of them
read alike, and export quotes whatever any of them would take for something else than a text.
"""

from __future__ import annotations

import functools
import math
import re
from dataclasses import dataclass
from typing import Any

import yaml

Value = Any
"""None, a boolean, a number, a date or time, or a text."""
_NULL = re.compile(r"null|Null|NULL|~|")
_TRUE, _FALSE = re.compile(r"true|True|TRUE"), re.compile(r"false|False|FALSE")
_WHOLE = re.compile(r"[-+]?[0-9]+")
_OCTAL, _HEX = re.compile(r"0o[0-7]+"), re.compile(r"0x[0-9a-fA-F]+")
_FRACTION = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE, _NO_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)"), re.compile(r"\.(nan|NaN|NAN)")
_YES, _NO = frozenset({"y", "Y"}), frozenset({"n", "N"})
"""Booleans of version 1.1 that PyYAML leaves texts, and others do not."""
_LOOSE = re.compile(
    r"[-+]?(?:0[oO]?[0-7_]*|0[bB][01_]*|0[xX][0-9a-fA-F_]*|[0-9_]*\.?[0-9_]*(?:[eE][-+]?[0-9_]*)?)"
    r"|[-+]?[0-9_]+(?::[0-9_]+)+(?:\.[0-9_]*)?"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt\s].*)?"
)
"""Numbers, and dates, as readers take them that keep to neither version."""
_EXPONENT = re.compile(r"[-+]?[0-9]{1,20}(\.[0-9]{0,20})?[eE][-+]?[0-9]{1,3}")
_LONGEST = 400


@dataclass(frozen=True)
class Readings:
    """What a value is to a reader of each version."""

    old: Value
    new: Value

    @property
    def agree(self) -> bool:
        """Whether both read the same value of the same kind."""
        both_none = self.old != self.old and self.new != self.new
        return type(self.old) is type(self.new) and (both_none or self.old == self.new)


@functools.lru_cache(maxsize=4096)  # a file says the same few values again and again
def readings(text: str) -> Readings:
    """Both readings of an unquoted value; what is longer than any number or date is a text."""
    return Readings(text, text) if len(text) > _LONGEST else Readings(_by_1_1(text), _by_1_2(text))


def stays_text(text: str) -> bool:
    """Whether every reader takes the text for itself, were it not quoted."""
    both = readings(text)
    return isinstance(both.old, str) and isinstance(both.new, str) and not _LOOSE.fullmatch(text) and text != "="


def number_with_exponent(text: str) -> float | None:
    """`1e-5`, a number to everybody but version 1.1, which asks for a point; None for everything else."""
    return float(text) if _EXPONENT.fullmatch(text) else None


def difference(text: str) -> str:
    """That the readers differ, with both readings and what to write; "" where they agree."""
    both = readings(text)
    if both.agree:
        return ""
    shown = text if len(text) <= 60 else f"{text[:60]}…"
    plain = dict.fromkeys(_plainly(value) for value in (both.old, both.new) if _plainly(value))
    remedy = f"write {' or '.join(plain)}, or put a text in quotes" if plain else "put it in quotes"
    return f"{shown} is {_word(both.old)} in YAML 1.1 and {_word(both.new)} in YAML 1.2; {remedy}"


def _by_1_1(text: str) -> Value:
    if text in _YES or text in _NO:
        return text in _YES
    tag = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    if tag == yaml.resolver.Resolver.DEFAULT_SCALAR_TAG:
        return text
    try:
        return yaml.constructor.SafeConstructor().construct_document(yaml.ScalarNode(tag, text))
    except (yaml.YAMLError, ValueError, OverflowError):
        return text


_RESOLVER = yaml.resolver.Resolver()


def _by_1_2(text: str) -> Value:
    for pattern, read in _READERS_1_2:
        if pattern.fullmatch(text):
            return read(text)
    return text


_READERS_1_2: tuple[tuple[re.Pattern[str], Any], ...] = (
    (_NULL, lambda _: None),
    (_TRUE, lambda _: True),
    (_FALSE, lambda _: False),
    (_WHOLE, int),
    (_OCTAL, lambda text: int(text, 8)),
    (_HEX, lambda text: int(text, 16)),
    (_FRACTION, float),
    (_INFINITE, lambda text: float(text.replace(".", ""))),
    (_NO_NUMBER, lambda _: float("nan")),
)


def _plainly(value: Value) -> str:
    """A boolean or a number as every reader takes it; "" for what is none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, int | float) or not math.isfinite(value):
        return ""
    whole = isinstance(value, int) or (value.is_integer() and abs(value) < 1e15)
    return str(int(value)) if whole else repr(value)


def _word(value: Value) -> str:
    if isinstance(value, bool):
        return _plainly(value)
    if isinstance(value, int | float):
        figure = _plainly(value) or ("infinity" if math.isinf(value) else "that is none")
        return f"the number {figure if len(figure) <= 40 else f'{figure[:40]}…'}"
    if value is None or isinstance(value, str):
        return "nothing" if value is None else "a text"
    return "a date"
