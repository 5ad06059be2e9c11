"""What only some providers offer, one protocol each: whoever needs it asks by `isinstance`.

Those that come with many values have modules of their own, such as catalogs.py and samplers.py.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from connections.providers.attempts import Reference
from connections.providers.capacity import Capacity
from connections.providers.spec import TrainerSpec

Dial = Callable[[str, int], "Future[socket.socket]"]
"""Connects to a host and port as they are known there, and answers a socket of this machine. Errors: `OSError`."""


@runtime_checkable
class OpensTunnels(Protocol):
    """A provider through which alone its trainers may be reached; who connects holds the tunnel, and closes it."""

    @property
    def dial(self) -> Dial | None:
        """How an endpoint is connected to; None where that needs nothing."""


@dataclass(frozen=True)
class TokenLengths:
    """`counts[n]` are the rows shorter than 2**n tokens that are not in a smaller one; `tokens` all together.

    `samples` are the first rows as the model reads them, in JSON: line, and sequences of name, tokens, learnt, is_cut
    and parts, each a text and whether it is learnt.
    """

    counts: Sequence[int]
    tokens: int
    longest: int
    samples: Sequence[Mapping[str, Any]] = ()


@runtime_checkable
class CountsTokens(Protocol):
    """A provider that counts tokens by the tokenizers of the models that it has."""

    def has_tokenizer(self, base_model: str) -> bool:
        """Whether it has the model's."""

    def count_tokens(self, base_model: str, dataset: Path) -> TokenLengths:
        """How long the rows of a dataset are, in minutes at most. Errors: `Rejected`, `Retryable`."""


@runtime_checkable
class KnowsTemplates(Protocol):
    """A provider that knows of its base models whether they can be told messages."""

    def has_chat_template(self, base_model: str) -> bool | None:
        """Whether its tokenizer has one; None where that is not seen from here. Never touches the network."""


@runtime_checkable
class HasAddress(Protocol):
    """A provider that is asked at one address, with a secret that is for that address alone."""

    @property
    def address(self) -> str:
        """Without a slash at its end; all that runs there listens below it."""


@runtime_checkable
class JudgesSizes(Protocol):
    """A provider whose engine tells how large its machines are, so that what none can hold is known beforehand."""

    def too_large(self, spec: TrainerSpec, capacity: Capacity) -> Sequence[str]:
        """Why the spec can never run there, one sentence a reason, by what it last said. Never touches the network."""


@runtime_checkable
class RecallsAnswering(Protocol):
    """A provider that asks trainers one by one whether they answer, and remembers that as long as its process lives."""

    def recall(self, answered: Collection[Reference]) -> None:
        """Of those it remembers nothing of, these answered when they were last asked, before the process began."""


@runtime_checkable
class NamesFiles(Protocol):
    """A provider whose trainers write files of this machine, so that whoever waits for news can see that there are."""

    def files_with_news(self, reference: Reference) -> Sequence[Path]:
        """What grows or appears when there is something new to observe or to read. Reads nothing. Errors: `Gone`."""
