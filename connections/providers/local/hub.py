"""Base models that are downloaded from a hub: each once, by the wrapper of the first attempt that needs it.

    <root>/hub/<folder of the address>/     a Hugging Face directory, and origin.json, which says where it is from

trainer/download.py does it, in the trainer's environment and under our own user, before the attempt's own process runs
under its. Others that need the same model meanwhile wait for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from connections.providers.trainer_files import files
from connections.providers.trainer_files.base_models import is_model
from connections.providers.trainer_files.hub_addresses import HubAddress

HUB = "hub"
TOLD = "download.json"
"""In an attempt's folder: what is to be downloaded."""


@dataclass(frozen=True)
class HubModels:
    """By model, where a superuser said that it comes from; below `root` they lie. The token is the connection's."""

    root: Path
    addresses: Mapping[str, HubAddress] = field(default_factory=dict)
    token: str = field(default="", repr=False)

    @property
    def folders(self) -> dict[str, Path]:
        """By model, where it lies or will lie."""
        return {model: self.root / HUB / address.folder for model, address in self.addresses.items()}

    def command(self, base_model: str, directory: Path, environment: Path, package: Path, keep_free: int) -> list[str]:
        """What the attempt's wrapper runs to have the model here; nothing where it is, or comes from no hub.

        Errors: `OSError`.
        """
        address, target = self.addresses.get(base_model), self.folders.get(base_model)
        if address is None or target is None or is_model(target):
            return []
        told = {
            "endpoint": address.endpoint,
            "repository": address.repository,
            "revision": address.revision,
            "directory": str(target),
            "records": str(files.records_of(directory)),
            "keep_free": keep_free,
        }
        files.write_json(directory / TOLD, told)
        return [str(environment / "bin" / "python"), "-m", f"{package.name}.download", str(directory / TOLD)]

    def told(self, command: list[str]) -> str:
        """What the wrapper is told on its standard input, for that command alone."""
        return self.token if command else ""
