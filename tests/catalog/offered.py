"""A connection whose engine offers whatever a test says, and the wire's dicts to say it with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from connections.models import Connection
from connections.providers.catalogs import Following, RemoteCatalog, RemoteModel, RemoteVersion
from connections.providers.errors import Unreachable
from tests.connections.remote import RemoteEngine, make_connection

OFFERING = "offering"
ACCOUNT = "far-team"


@dataclass
class OfferingEngine(RemoteEngine):
    """An engine in memory with a catalog of its own."""

    catalog: RemoteCatalog = field(default_factory=lambda: RemoteCatalog((ACCOUNT,), (), ()))
    following: Following = Following.AUTOMATIC
    broken: str = ""

    def list_catalog(self) -> RemoteCatalog:
        if self.broken:
            raise Unreachable(self.broken)
        return self.catalog

    def offer(self, *versions: RemoteVersion, models: Sequence[RemoteModel] = ()) -> None:
        self.catalog = RemoteCatalog(self.catalog.accounts, versions, tuple(models))


def remote(
    shape_id: str, version_id: str = "aaaaaaa1", *, model: str = "qwen3p8-27b", account: str = ACCOUNT, **said: Any
) -> RemoteVersion:
    """A version of a LoRA shape as the wire says it; None takes a field away."""
    snapshot: dict[str, Any] = {
        "trainerMode": "LORA_TRAINER",
        "acceleratorType": "NVIDIA_B200_180GB",
        "acceleratorCount": 8,
        "nodeCount": 1,
        "maxSupportedContextLength": 65536,
        "trainerImageTag": "0.383.0",
        "baseModelWeightPrecision": "BFLOAT16",
        "parameterCount": "0",
    } | said
    name = f"accounts/{account}/trainingShapes/{shape_id}/versions/{version_id}"
    kept = {key: value for key, value in snapshot.items() if value is not None}
    return RemoteVersion(name, f"accounts/{account}/models/{model}", True, kept)


def make_offering(name: str = "far") -> Connection:
    """A connection of the kind, for everyone."""
    return make_connection(name=name, kind=OFFERING)
