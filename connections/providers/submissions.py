"""What a connection keeps of what an attempt was asked for, so that one that nobody here knows can be adopted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, runtime_checkable

from connections.providers.attempts import Reference
from connections.providers.spec import TrainerSpec


@dataclass(frozen=True)
class KeptSubmission:
    """What was asked for, as far as it is kept; hostile until it is resolved.

    `version` is the shape version under its name here, `settings` what a user set, by attribute of `TrainerSpec`;
    `spec` is the whole, None where a connection resolves shapes itself; `token` is the trainer's own, "" where the
    connection's secret opens it.
    """

    version: str
    settings: Mapping[str, str | float]
    spec: TrainerSpec | None = None
    token: str = field(default="", repr=False)

    def as_json(self) -> dict[str, Any]:
        """All but the token, which is stored nowhere."""
        spec = self.spec.as_json() if self.spec else None
        return {name: value for name, value in asdict(self).items() if name != "token"} | {"spec": spec}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> KeptSubmission:
        """What `as_json` wrote."""
        spec = TrainerSpec.from_json(stored["spec"]) if stored["spec"] else None
        return cls(stored["version"], stored["settings"], spec)


@runtime_checkable
class KeepsSubmissions(Protocol):
    """A provider that tells what an attempt was asked for: a kind that keeps nothing of that simply is none."""

    def kept_submission(self, reference: Reference) -> KeptSubmission | None:
        """None where too little is kept. Errors: `Gone`, `Retryable`."""
