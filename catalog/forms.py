"""Read the catalog's filters from a URL. What cannot be read is left out and said, so that old links still work."""

from __future__ import annotations

from django.http import QueryDict

from catalog.filters import FACETS, CatalogFilters, Facet, keep_known
from catalog.labels import least_context
from catalog.search import patterns
from catalog.search_words import ParsedSearch, read_words
from catalog.shape_queries import SORTS
from lists.filters import refuse_sort
from wire.errors import Violation

LONGEST_TEXT = 200
MOST_VALUES = 50
MOST_GPUS = 1_000_000


def read_filters(asked: QueryDict) -> tuple[CatalogFilters, list[Violation]]:
    """The filters in the query string, and what in it was wrong.

    What words of the text ask for is a filter as if it had been chosen, and counts before one that was.
    """
    problems: list[Violation] = []
    words = read_words(_text(asked.get("q", ""), problems))
    context, tokens = _context(words.context or asked.get("context", "").strip(), problems)
    filters = CatalogFilters(
        q=_names(words, problems),
        chosen={facet.name: keep_known((*_values(asked, facet, problems), *_asked(words, facet))) for facet in FACETS},
        context=context,
        least_tokens=tokens,
        gpus=_gpus(asked.get("gpus", "").strip(), problems) if words.gpus is None else words.gpus,
        sort=_sort(asked.get("sort", ""), problems),
    )
    return filters, problems


def read_search(text: str) -> CatalogFilters:
    """What a text by itself asks for, as in the search of the catalog page."""
    words = read_words(_clean(text))
    return CatalogFilters(
        q=words.text,
        chosen={"mode": words.modes},
        context=words.context,
        least_tokens=least_context(words.context) if words.context else 0,
        gpus=words.gpus,
    )


def _clean(text: str) -> str:
    return text.replace("\0", "").strip()


def _asked(words: ParsedSearch, facet: Facet) -> tuple[str, ...]:
    """What the words of the text ask for."""
    return words.modes if facet.name == "mode" else ()


def _values(asked: QueryDict, facet: Facet, problems: list[Violation]) -> tuple[str, ...]:
    values = keep_known(_clean(value) for value in asked.getlist(facet.name)[:MOST_VALUES])
    if not facet.spellings:
        return values
    for value in values:
        if value.lower() not in facet.spellings:
            known = ", ".join(dict.fromkeys(facet.spellings.values()))
            problems.append(Violation(facet.name, f"{value!r} is not known; use {known}."))
    return tuple(facet.spellings.get(value.lower(), "") for value in values)


def _text(text: str, problems: list[Violation]) -> str:
    cleaned = " ".join(_clean(text).split())
    if len(cleaned) > LONGEST_TEXT:
        problems.append(Violation("q", f"{len(cleaned)} characters are too many; the first {LONGEST_TEXT} were used."))
    return cleaned[:LONGEST_TEXT].strip()


def _names(words: ParsedSearch, problems: list[Violation]) -> str:
    """What is left of the text, without words that no name can be found by."""
    known = " ".join(word for word in words.text.split() if patterns(word))
    if not known and words == ParsedSearch(words.text) != ParsedSearch():
        sentence = f"{words.text!r} has no letter and no figure; search for a name such as qwen3 8b."
        problems.append(Violation("q", sentence))
    return known


def _context(label: str, problems: list[Violation]) -> tuple[str, int]:
    try:
        return (label.lower().replace(",", "").replace(" ", ""), least_context(label)) if label else ("", 0)
    except ValueError as error:
        problems.append(Violation("context", f"{label!r} is no context length; {error}."))
        return "", 0


def _gpus(text: str, problems: list[Violation]) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and int(text[:9]) <= MOST_GPUS):
        problems.append(Violation("gpus", f"{text!r} is no number of GPUs; use a whole number such as 8."))
        return None
    return int(text[:9])


def _sort(text: str, problems: list[Violation]) -> str:
    if sentence := refuse_sort(text, SORTS):
        problems.append(Violation("sort", sentence))
        return ""
    return text
