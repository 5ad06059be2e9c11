"""What an engine says of a submission before it is made: it is asked, takes nothing, and keeps nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from connections.providers.spec import TrainerSpec


@dataclass(frozen=True)
class Trial:
    """Whether it would take it, in its own words; `starts` and `nodes` are when and where it would start it.

    None and "" where it does not say.
    """

    would_take: bool
    words: str
    starts: datetime | None = None
    nodes: str = ""


@runtime_checkable
class TriesOut(Protocol):
    """A provider of an engine that can be asked so: a kind whose engine would run what it is asked about is none."""

    def try_out(self, spec: TrainerSpec) -> Trial:
        """What it would do with the spec now. Errors: `Retryable` where it does not answer."""
