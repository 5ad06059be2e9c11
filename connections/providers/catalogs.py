"""What a connection offers to launch, where its kind has a catalog of its own: values that are hostile until read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable


class Following(StrEnum):
    """How the catalog here follows the connection's: by itself, once a superuser has agreed, or not at all."""

    AUTOMATIC = "automatic"
    REVIEWED = "reviewed"
    OFF = "off"


@dataclass(frozen=True)
class RemoteModel:
    """A base model as the connection describes it; `name` is what it is called here."""

    name: str
    said: Mapping[str, Any]


@dataclass(frozen=True)
class RemoteVersion:
    """The version that a shape resolves to there. Names are those here, where there are any.

    `snapshot` is as it was answered, but for the names that the provider knows to map: `base_model` stands beside it.
    """

    name: str
    base_model: str
    public: bool
    snapshot: Mapping[str, Any]


@dataclass(frozen=True)
class RemoteCatalog:
    """All that is offered, of the accounts here whose catalogs it is."""

    accounts: tuple[str, ...]
    versions: tuple[RemoteVersion, ...]
    models: tuple[RemoteModel, ...]


@dataclass(frozen=True)
class CatalogFile:
    """A published catalog file as it was found: of which account there, it says itself; that is whose here, `accounts`.

    `source` is where it was found, for people.
    """

    source: str
    data: bytes
    accounts: Mapping[str, str]

    def name_here(self, name: str) -> str:
        """A resource name in it under the account's id here; as it stands where it is of nobody here."""
        here = {there: here for here, there in self.accounts.items()}
        match name.split("/"):
            case ["accounts", account, *rest] if account in here:
                return "/".join(("accounts", here[account], *rest))
        return name


@runtime_checkable
class OffersCatalog(Protocol):
    """A provider that tells what it offers: a kind that has no catalog of its own simply is none."""

    @property
    def following(self) -> Following:
        """What the connection's configuration says."""

    def list_catalog(self) -> RemoteCatalog | CatalogFile:
        """All or nothing: half an answer is an error. Takes at most a minute and a half. Errors: `Retryable`."""


@runtime_checkable
class NamesModels(Protocol):
    """A provider whose base models have other names where it leads to."""

    def model_there(self, base_model: str) -> str:
        """The base model under its name there; "" where it is not offered there."""
