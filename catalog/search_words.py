"""The words of a search that say what a shape is like rather than how it is called: a mode, a context, GPUs. Pure.

"27b lora 200k" asks for shapes that are called 27b, are LoRA trainers and take 200k tokens. A word counts where it
stands by itself: what hyphens join is a name, so a shape is found by its id. What stands in quotes is a name, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from catalog.labels import least_context

LONGEST_GPUS = 6
"""Digits of a number of GPUs."""
_WORD = re.compile(r'"[^"]*"?|[^\s"]+')
_MODES = {
    "policy": "policy",
    "policy-trainer": "policy",
    "lora": "lora",
    "lora-trainer": "lora",
    "forward": "forward-only",
    "forward-only": "forward-only",
    "reference": "forward-only",
}
"""Words for the words of `catalog.filters.MODES`."""
_GPUS = re.compile(rf"(?:<=|≤)?([0-9]{{1,{LONGEST_GPUS}}}) ?x? ?(?:gpu|gpus)")
_NO_GPU = re.compile(r"no gpus?|cpu")
_FIGURE = r"(?:>=|≥)?([0-9][0-9,]*k?)\+?"
_CONTEXT = re.compile(_FIGURE)
_TOKENS = re.compile(rf"{_FIGURE} (?:context|ctx|tokens|token)|(?:context|ctx) {_FIGURE}")
_ROUND = (1000, 1024)
"""A bare number of four digits is a context where it is a multiple of one; a year and a month of a name are not."""


@dataclass(frozen=True)
class ParsedSearch:
    """A search read: `text` is what is left of it, quotes included; the others are what its words ask for.

    `modes` are words of `catalog.filters.MODES`; `context` is a label such as "200k", "" for none.
    """

    text: str = ""
    modes: tuple[str, ...] = ()
    context: str = ""
    gpus: int | None = None


def read_words(text: str) -> ParsedSearch:
    """What the text asks for. Where several contexts or numbers of GPUs are named, the narrowest counts."""
    asked, words = ParsedSearch(), _WORD.findall(text)
    while (found := _first(words)) is not None:
        place, length, change = found
        asked = change(asked)
        del words[place : place + length]
    return replace(asked, text=" ".join(words))


_Change = Callable[[ParsedSearch], ParsedSearch]


def _first(words: list[str]) -> tuple[int, int, _Change] | None:
    """Where words ask for something: their place, how many there are, and what they ask for. The longest first."""
    for length in (3, 2, 1):
        for place in range(len(words) - length + 1):
            if change := _read(" ".join(words[place : place + length]).lower()):
                return place, length, change
    return None


def _read(phrase: str) -> _Change | None:
    mode = _MODES.get(phrase.replace("_", "-").replace(" ", "-"))
    if mode:
        return lambda asked: replace(asked, modes=tuple(dict.fromkeys((*asked.modes, mode))))
    if gpus := _GPUS.fullmatch(phrase):
        return _at_most(int(gpus[1]))
    if _NO_GPU.fullmatch(phrase):
        return _at_most(0)
    if tokens := _TOKENS.fullmatch(phrase):
        return _at_least(tokens[1] or tokens[2])
    context = _CONTEXT.fullmatch(phrase)
    return _at_least(context[1]) if context and _is_context(context[1]) else None


def _is_context(figure: str) -> bool:
    plain = figure.replace(",", "")
    if plain.endswith("k"):
        return True
    return len(plain) > 4 or (len(plain) == 4 and any(int(plain) % each == 0 for each in _ROUND))


def _at_most(gpus: int) -> _Change:
    return lambda asked: replace(asked, gpus=gpus if asked.gpus is None else min(gpus, asked.gpus))


def _at_least(label: str) -> _Change | None:
    try:
        tokens = least_context(label)
    except ValueError:
        return None
    return lambda asked: (
        replace(asked, context=label) if not asked.context or tokens > least_context(asked.context) else asked
    )
