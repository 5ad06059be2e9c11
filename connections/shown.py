"""What pages say of a connection, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connections.capacities import read_capacity
from connections.kinds import KINDS
from connections.models import Connection
from connections.opened import open_provider
from connections.providers.catalogs import OffersCatalog
from connections.providers.errors import ProviderError
from connections.providers.unnamed import GivesTypes
from connections.sealing import Unsealable, unseal


@dataclass(frozen=True)
class ConfigLine:
    """One thing that a configuration says; `variable` is the environment variable that says it, "" where none does."""

    label: str
    value: str
    variable: str = ""
    is_default: bool = False


@dataclass(frozen=True)
class ShownConnection:
    """A connection with what a page says of it."""

    row: Connection

    @property
    def kind(self) -> str:
        """What its kind is called."""
        kind = KINDS.get(self.row.kind)
        return kind.label if kind else self.row.kind

    @property
    def off_because(self) -> str:
        """Why a setting shuts it off, or no code of this release knows it."""
        kind = KINDS.get(self.row.kind)
        if kind is None:
            return f"This release knows no connections of the kind {self.row.kind!r}."
        return kind.closed_because()

    @property
    def config(self) -> tuple[ConfigLine, ...]:
        """Its configuration, line by line."""
        kind = KINDS.get(self.row.kind)
        if kind is None:
            return ()
        said: dict[str, Any] = self.row.config | kind.locked
        return tuple(
            ConfigLine(
                field.label,
                str(said.get(field.name, field.default)),
                field.variable if field.name in kind.locked else "",
                field.name not in said,
            )
            for field in kind.fields
        )

    @property
    def locked(self) -> tuple[ConfigLine, ...]:
        """What of it no form can change."""
        return tuple(line for line in self.config if line.variable)

    @property
    def out(self) -> tuple[str, ...]:
        """Which of its machines are out of service, and why, as of when it last said what it has."""
        capacity = read_capacity(self.row.capacity)
        return capacity.out if capacity else ()

    @property
    def secret_label(self) -> str:
        """What its secret is called, "" where its kind has none."""
        kind = KINDS.get(self.row.kind)
        return kind.secret_label if kind else ""

    @property
    def has_catalog(self) -> bool:
        """Whether it tells what it offers."""
        try:
            return isinstance(open_provider(self.row), OffersCatalog)
        except ProviderError:
            return False

    @property
    def asks_for_type(self) -> bool:
        """Whether nobody has said yet which GPU shapes get there that name none."""
        try:
            provider = open_provider(self.row)
        except ProviderError:
            return False
        return isinstance(provider, GivesTypes) and provider.type_question is not None

    @property
    def may_retire(self) -> bool:
        """Whether it can be retired at all."""
        kind = KINDS.get(self.row.kind)
        return kind is None or not kind.one_only

    @property
    def secret_trouble(self) -> str:
        """Why its secret cannot be used, as after a restore without the sealing key; "" where it can."""
        try:
            unseal(self.row.secret)
        except Unsealable as error:
            kind = KINDS.get(self.row.kind)
            return f"{error} Until then it is used without one." if kind and kind.opens_unsealed else str(error)
        return ""
