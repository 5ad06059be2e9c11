"""How names are compared in search: one normal form, of what is stored as of what is asked for. Pure.

Makers and ids write one name in many ways: "Qwen3.5-9B", "Qwen 3.5 9B", "qwen3p5-9b". So a text becomes its words and
figures, lower case, without accents, with one blank between them: " qwen 3 .5 9 b ". A figure is whole (4 is not 40),
and what stands behind its point follows it (3 is 3.5, too). What is asked for becomes patterns, all of which have to
occur in it: a name and its figure are two of them ("qwen", " 3 .5 "), since anything may stand between them; a letter
or two belong to the figure beside them (" 9 b ", " a 3 b ").
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_PART = re.compile(r"(?<=\d)[._p]\d+|\d+|[^\W\d_]+")
"""What stands behind a figure's point, which ids write as p; a figure; letters."""
_BETWEEN_WORDS = re.compile(r"[^\w.]+")
_SHORTEST_NAME = 3
_PAGES = ("shapes", "models", "library")
"""Words of addresses that stand before an owner."""


def search_text(*names: str) -> str:
    """What patterns are looked for in: the names in their normal form, two blanks between one and the next."""
    return "".join(f" {' '.join(_parts(_folded(name)))} " for name in dict.fromkeys(names) if name)


def patterns(text: str) -> tuple[str, ...]:
    """What has to occur in a `search_text`, all of it, where `text` is searched for; none where it says nothing."""
    found = (_pattern(group) for name in text.split() for word in _words(name) for group in _groups(_parts(word)))
    return tuple(dict.fromkeys(found))


def _words(name: str) -> list[str]:
    return _BETWEEN_WORDS.split(_folded(_without_owner(name)))


def _without_owner(name: str) -> str:
    """The name itself of `owner/name`, of a resource name, and of the address of a model's page."""
    plain, _, _ = name.partition("://")[2].partition("?") if "://" in name else (name, "", "")
    segments = [segment for segment in plain.split("/") if segment]
    match [segment.lower() for segment in segments]:
        case ["accounts", _, "models" | "trainingshapes", _, *_]:
            return segments[3]
        case [host, first, *rest] if "://" in name or (rest and "." in host):
            behind = rest if first in _PAGES else [first, *rest]
            return segments[len(segments) - len(behind) :][min(1, len(behind) - 1)] if behind else first
        case [_, _]:
            return segments[1]
    return name


def _folded(text: str) -> str:
    """Lower case, without accents, of one width; NFC and NFD come to the same."""
    return _unmarked(_unmarked(text).casefold())


def _unmarked(text: str) -> str:
    return "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))


def _parts(folded: str) -> list[str]:
    return [part if part[0].isdigit() or part.isalpha() else f".{part[1:]}" for part in _PART.findall(folded)]


def _groups(parts: list[str]) -> Iterator[list[str]]:
    """The parts of a word, apart where a name meets a figure."""
    group: list[str] = []
    for part in parts:
        if group and _is_name(group[-1]) != _is_name(part) and (_is_name(group[-1]) or _is_name(part)):
            yield group
            group = []
        group.append(part)
    if group:
        yield group


def _is_name(part: str) -> bool:
    return part[0].isalpha() and (len(part) >= _SHORTEST_NAME or not part.isascii())


def _pattern(group: list[str]) -> str:
    """A figure is whole; a letter or two begin a word; a name may stand anywhere."""
    begins = "" if _is_name(group[0]) else " "
    ends = " " if any(not part[0].isalpha() for part in group) else ""
    return f"{begins}{' '.join(group)}{ends}"
