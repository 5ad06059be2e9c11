"""What a reader of the catalog asked for, as a value that goes into a URL and comes back the same. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlencode

from catalog.enums import TrainerMode
from catalog.search import patterns

NO_GPU = "none"
UNSPECIFIED = "unspecified"
MODES = {
    "policy": TrainerMode.POLICY_TRAINER,
    "lora": TrainerMode.LORA_TRAINER,
    "forward-only": TrainerMode.FORWARD_ONLY,
}
SORTS = ("name", "-name", "context", "-context", "gpus", "-gpus")
CHOICES = ("family", "mode", "architecture", "accelerator", "account")
"""Filters of which several values may be chosen; a shape passes where it has one of them."""
BOUNDS = ("context", "gpus")


@dataclass(frozen=True)
class CatalogFilters:
    """All filters of the catalog page. Empty means "does not matter".

    `mode` holds the words of MODES; `accelerator` wire names, UNSPECIFIED (the provider chooses) or NO_GPU;
    `context` is a label such as "128k" with `least_tokens` behind it; `gpus` is for one replica.
    """

    q: str = ""
    family: tuple[str, ...] = ()
    mode: tuple[str, ...] = ()
    architecture: tuple[str, ...] = ()
    context: str = ""
    least_tokens: int = 0
    gpus: int | None = None
    accelerator: tuple[str, ...] = ()
    account: tuple[str, ...] = ()
    sort: str = ""

    @property
    def active(self) -> tuple[str, ...]:
        """Names of the filters in force, in the order of the page."""
        return tuple(
            field.name
            for field in fields(self)
            if field.name not in {"sort", "least_tokens"} and getattr(self, field.name) not in ("", (), None)
        )

    @property
    def words(self) -> tuple[str, ...]:
        """What the free text looks for; a shape passes where all of it occurs in its `search_text`."""
        return patterns(self.q)

    def without(self, name: str, value: str | None = None) -> CatalogFilters:
        """The same without one filter, or without one of its values."""
        changes: dict[str, Any] = _EMPTY[name]
        if value is not None and name in CHOICES:
            changes = {name: tuple(kept for kept in getattr(self, name) if kept != value)}
        return replace(self, **changes)

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
        pairs = []
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "least_tokens" and value not in ("", (), None):
                pairs += [(field.name, str(item)) for item in (value if isinstance(value, tuple) else (value,))]
        return pairs


_EMPTY: dict[str, dict[str, Any]] = {
    "q": {"q": ""},
    "context": {"context": "", "least_tokens": 0},
    "gpus": {"gpus": None},
    **{name: {name: ()} for name in CHOICES},
}


def keep_known(values: Iterable[str]) -> tuple[str, ...]:
    """The values without repetitions and empty ones, in order."""
    return tuple(dict.fromkeys(value for value in values if value))
