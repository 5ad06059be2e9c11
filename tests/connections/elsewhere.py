"""A kind of connection for tests of verbs and pages: an address, a few settings and a secret; it runs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from accounts.actors import SYSTEM
from connections.domain.add_connection import add_connection
from connections.kinds import Kind
from connections.models import Connection
from connections.providers.attempts import Reference
from connections.providers.base import Identity, Provider
from connections.providers.capabilities import Capabilities
from connections.providers.capacity import Capacity, GpuPool
from connections.providers.configs import positive, setting
from connections.providers.errors import Retryable, SecretRefused
from connections.providers.recipes import Recipe
from connections.providers.spec import TrainerSpec

NAME = "elsewhere"
SECRET = "the-secret-of-elsewhere-0123456789"
FULL = "https://full.example"


def https(written: str) -> str:
    """An address of https."""
    if not written.strip().startswith("https://"):
        raise ValueError("use https://")
    return written.strip()


@dataclass(frozen=True)
class ElsewhereConfig:
    """Where it is."""

    url: str = setting("Address", "Where it listens.", read=https, required=True, placeholder="https://there.example")
    slots: int = setting("Slots", "How many at a time.", default=4, read=positive, variable="SLIPWAY_LOCAL_SLOTS")
    region: str = setting("Region", "Which of its regions.", default="north", choices=("north", "south"))


@dataclass(frozen=True)
class ElsewhereProvider:
    """Knows one secret, and whom it gives it to."""

    config: ElsewhereConfig
    secret: str

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(poll_seconds=60)

    def identify(self) -> Identity:
        if self.secret != SECRET:
            raise SecretRefused("It does not know this key. Make another there, and give it here.")
        return Identity((("Account", "team-north"),), ("quota", "tier"))

    def capacity(self) -> Capacity:
        if self.config.url == FULL:
            raise Retryable("It answers 503.")
        return Capacity(gpus=(GpuPool("NVIDIA_H100_80GB", 16, 8, 1),), queue_length=3)

    def list_references(self) -> Sequence[Reference]:
        return ()

    def recipes(self, spec: TrainerSpec) -> Sequence[Recipe]:
        return ()

    def fits(self, spec: TrainerSpec) -> Sequence[str]:
        return ("It runs nothing.",)


KIND = Kind(
    name=NAME,
    label="Elsewhere",
    help="A place for tests.",
    config=ElsewhereConfig,
    open=lambda opening: cast(Provider, ElsewhereProvider(opening.config, opening.secret)),
    secret_label="Its key",
)


def make_connection(**given: Any) -> Connection:
    """A connection of the kind, which nobody may use yet."""
    said: dict[str, Any] = {"name": "north", "config": {"url": "https://north.example"}, "secret": SECRET} | given
    return add_connection(actor=SYSTEM, kind=NAME, **said)
