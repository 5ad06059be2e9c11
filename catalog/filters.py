"""What a reader of the catalog asked for, as a value that goes into a URL and comes back the same. Pure.

`FACETS` is the one table of the filters that offer values: what reads them, finds by them, counts and names them goes
by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from catalog.enums import ARCHITECTURE_LABELS, MODE_LABELS, NO_GPU, UNSPECIFIED, AcceleratorType, Architecture
from catalog.labels import accelerator_label
from catalog.search import patterns
from connections.providers.spec import TrainerMode

MODES = {
    "policy": TrainerMode.POLICY_TRAINER,
    "lora": TrainerMode.LORA_TRAINER,
    "forward-only": TrainerMode.FORWARD_ONLY,
}


@dataclass(frozen=True)
class Facet:
    """A filter of which several values may be chosen; a shape passes where it has one of them.

    `column` is the ORM's path from a version. `spellings` are the values by what may be written for them, in lower
    case; where there are none, every text is a value. `stored` is what rows hold where that is another word than the
    value. Values are offered in the order of `rank`, which gets one with the position of its first base model and
    whether that may run on this machine; with `always`, all of them.
    """

    name: str
    title: str
    column: str
    label: Callable[[str], str] = str
    spellings: Mapping[str, str] = field(default_factory=dict)
    stored: Mapping[str, str] = field(default_factory=dict)
    rank: Callable[[str, int, bool], Any] = lambda value, _first, _here: value
    always: tuple[str, ...] = ()

    @property
    def counted(self) -> str:
        """The ORM's path from a count of like shapes."""
        return self.column.rpartition("__base_model__")[2].removeprefix("shape__")

    def read(self, stored: str) -> str:
        """The value that a row holds."""
        return self._values.get(stored, stored)

    @cached_property
    def _values(self) -> dict[str, str]:
        return {word: value for value, word in self.stored.items()}


def _accelerator(value: str) -> str:
    return {NO_GPU: "No GPU", UNSPECIFIED: "Provider's choice"}.get(value) or accelerator_label(value)


_MODEL = "shape__base_model"
FACETS = (
    Facet("family", "Family", f"{_MODEL}__family", rank=lambda _value, first, here: (here, first)),
    Facet(
        "mode",
        "Trainer mode",
        "trainer_mode",
        label=lambda word: MODE_LABELS[MODES[word]],
        spellings={mode.lower(): word for word, mode in MODES.items()} | {word: word for word in MODES},
        stored={word: mode.value for word, mode in MODES.items()},
        always=tuple(MODES),
    ),
    Facet(
        "architecture",
        "Architecture",
        f"{_MODEL}__architecture",
        label=lambda value: ARCHITECTURE_LABELS[Architecture(value)],
        spellings={each.value: each.value for each in Architecture},
    ),
    Facet(
        "accelerator",
        "Accelerator",
        "accelerator",  # no column: of `catalog.matching`
        label=_accelerator,
        spellings={each.value.lower(): each.value for each in AcceleratorType} | {w: w for w in (UNSPECIFIED, NO_GPU)},
        rank=lambda value, _first, _here: (value == UNSPECIFIED, value == NO_GPU, value),
    ),
    Facet(
        "account",
        "Account",
        "shape__account__account_id",
        rank=lambda value, _first, here: (not here, value),
    ),
)
BOUNDS = {"context": "Context at least", "gpus": "GPUs at most"}
TITLES = {"q": "Text"} | {facet.name: facet.title for facet in FACETS} | BOUNDS
"""Of all filters."""
_FIRST = ("q", "family", "mode", "architecture", "context", "gpus")
IN_ORDER = (*_FIRST, *(name for name in TITLES if name not in _FIRST))
"""The filters as they stand on the page and in addresses."""


@dataclass(frozen=True)
class CatalogFilters:
    """All filters of the catalog page. Empty means "does not matter".

    `chosen` holds the values of facets, by name; `context` is a label such as "128k" with `least_tokens` behind it;
    `gpus` is for one replica.
    """

    q: str = ""
    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    context: str = ""
    least_tokens: int = 0
    gpus: int | None = None
    sort: str = ""

    def values(self, name: str) -> tuple[str, ...]:
        """What is asked for by one filter, as it stands in a URL."""
        if name in ("q", *BOUNDS):
            value = getattr(self, name)
            return () if value in ("", None) else (str(value),)
        return self.chosen.get(name, ())

    @property
    def active(self) -> tuple[str, ...]:
        """Names of the filters in force, in the order of the page."""
        return tuple(name for name in IN_ORDER if self.values(name))

    @property
    def words(self) -> tuple[str, ...]:
        """What the free text looks for; a shape passes where all of it occurs in its `search_text`."""
        return patterns(self.q)

    def without(self, name: str, value: str | None = None) -> CatalogFilters:
        """The same without one filter, or without one of its values."""
        if name in _EMPTY:
            return replace(self, **_EMPTY[name])
        kept = tuple(other for other in self.chosen.get(name, ()) if value is not None and other != value)
        return replace(self, chosen={**self.chosen, name: kept})

    def sorted_by(self, sort: str) -> CatalogFilters:
        """The same in another order."""
        return replace(self, sort=sort)

    def query(self, **more: str) -> str:
        """The canonical query string, with its question mark; empty where nothing is asked for."""
        pairs = [*self._pairs(), *((name, value) for name, value in more.items() if value)]
        return f"?{urlencode(pairs)}" if pairs else ""

    @property
    def others(self) -> list[tuple[str, str]]:
        """Everything but the free text as it stands in a query string, for a form that asks for the text alone."""
        return [(name, value) for name, value in self._pairs() if name != "q"]

    def _pairs(self) -> list[tuple[str, str]]:
        pairs = [(name, value) for name in IN_ORDER for value in self.values(name)]
        return [*pairs, ("sort", self.sort)] if self.sort else pairs


_EMPTY: dict[str, dict[str, Any]] = {
    "q": {"q": ""},
    "context": {"context": "", "least_tokens": 0},
    "gpus": {"gpus": None},
}


def keep_known(values: Iterable[str]) -> tuple[str, ...]:
    """The values without repetitions and empty ones, in order."""
    return tuple(dict.fromkeys(value for value in values if value))
