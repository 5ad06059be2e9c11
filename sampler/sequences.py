"""One choice that is being made: what an engine computes, and what it tells of it. Pure."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sampler.text import TextStream
from sampler.wire import Sampling

STOP, LENGTH = "stop", "length"
LEAST_LOGPROB = -9999.0
"""Of what has no probability at all: JSON knows no infinity."""


@dataclass(frozen=True)
class Scored:
    """A token with its log-probability under the model, and under the distribution that it was drawn from (None for a
    token of the prompt, or where the engine does not tell). top: the likeliest tokens there, by the model."""

    token: int
    logprob: float
    sampling_logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Started:
    """It is being computed. prompt: the scores of as many of the last tokens of the prompt as were asked for."""

    prompt: tuple[Scored, ...]
    waited: float


@dataclass(frozen=True)
class Sampled:
    scored: Scored
    text: str


@dataclass(frozen=True)
class Finished:
    reason: str
    text: str = ""


@dataclass(frozen=True)
class Broken:
    """Nothing more comes, for want of an engine that could."""

    detail: str


Event = Started | Sampled | Finished | Broken


@dataclass(eq=False)
class Choice:
    """One sequence: a prompt, and the tokens after it.

    scored: how many of the prompt's last tokens get a log-probability. ends: the ids that end it. `emit` is called with
    each event, from any thread. Whoever sets `cancelled` wants to hear no more.
    """

    prompt: tuple[int, ...]
    sampling: Sampling
    limit: int
    ends: frozenset[int]
    text: TextStream
    emit: Callable[[Event], None]
    logprobs: bool = False
    top: int = 0
    scored: int = 0
    random: random.Random = field(default_factory=random.Random)
    tokens: list[int] = field(default_factory=list)
    submitted: float = field(default_factory=time.monotonic)
    cancelled: bool = False
    done: bool = False

    @property
    def remaining(self) -> int:
        return self.limit - len(self.tokens)

    def start(self, prompt: Sequence[Scored] = ()) -> None:
        self.emit(Started(tuple(prompt), time.monotonic() - self.submitted))
        if not self.limit:
            self._finish(LENGTH)

    def accept(self, scored: Scored) -> None:
        """Take one more token, and say so; it may be the last."""
        self.tokens.append(scored.token)
        if scored.token in self.ends:
            self.emit(Sampled(scored, ""))
            self._finish(STOP)
            return
        self.emit(Sampled(scored, self.text.push(scored.token)))
        if self.text.stopped:
            self._finish(STOP)
        elif not self.remaining:
            self._finish(LENGTH)

    def break_off(self, detail: str) -> None:
        if not self.done:
            self.done = True
            self.emit(Broken(detail))

    def _finish(self, reason: str) -> None:
        self.done = True
        rest = self.text.finish()
        self.emit(Finished(STOP if self.text.stopped else reason, rest))


def seeded(seed: int | None, number: int) -> random.Random:
    """What the choice of that number of one request draws from."""
    return random.Random() if seed is None else random.Random(f"{seed}/{number}")  # noqa: S311  # no secret
