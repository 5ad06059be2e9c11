"""What a sampler puts on record, one JSON object a line of metrics.jsonl: what it served, and what it loaded."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from sampler.holdings import READY, Load
from trainer import metrics
from trainer.durable import write_json

EVERY_S = 10.0
MOST_TALLIES = 8
"""Weights of which it is kept up to when their time was counted."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ServingRecord:
    """What `identity` answered since the record before, None being the base model; the newest answer at `answered`.

    seconds: in which at least one of the requests was under way.
    """

    kind: str = "serving"
    identity: str | None
    requests: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    answered: str


@dataclass(frozen=True, kw_only=True)
class LoadRecord:
    """A hot load: stage is ready or error, message says why."""

    kind: str = "hot_load"
    identity: str
    stage: str
    message: str
    seconds: float


@dataclass
class _Tally:
    """What one set of weights answered and is not on record yet. Times are of the monotonic clock.

    `spans` are the times in which requests were under way, apart from each other; those up to `counted` are on record.
    """

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    answered: str = ""
    spans: list[tuple[float, float]] = field(default_factory=list)
    counted: float = 0.0

    def add(self, begun: float, prompt_tokens: int, completion_tokens: int) -> None:
        """A request that ended just now."""
        begun = max(begun, self.counted)
        while self.spans and self.spans[-1][1] >= begun:
            begun = min(begun, self.spans.pop()[0])
        self.spans.append((begun, time.monotonic()))
        self.requests += 1
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        self.answered = metrics.now()


class Records:
    """Adds up what is served, and writes it down now and then; and what was loaded last, in a file of its own."""

    def __init__(self, directory: Path) -> None:
        self._log = metrics.MetricsLog(directory / "metrics.jsonl")
        self._loaded = directory / "loaded.json"
        self._lock = threading.Lock()
        self._written = time.monotonic()
        self._tallies: dict[str | None, _Tally] = {}

    def note_load(self, load: Load) -> None:
        """The load ended; what was answered before it comes first."""
        self.write(now=True)
        with self._lock:
            if load.stage == READY:
                self._write_loaded(load)
            self._log.append(
                LoadRecord(identity=load.identity, stage=load.stage, message=load.message, seconds=load.seconds)
            )

    def _write_loaded(self, load: Load) -> None:
        try:
            write_json(self._loaded, {"identity": load.identity, "seconds": round(load.seconds, 3)})
        except OSError as error:
            log.warning("%s was not noted as loaded: %s", load.identity, error.strerror or error)

    def note_request(self, identity: str | None, begun: float, prompt_tokens: int, completion_tokens: int) -> None:
        """A request ended that those weights answered; it began at that moment of the monotonic clock."""
        with self._lock:
            self._tallies.setdefault(identity, _Tally()).add(begun, prompt_tokens, completion_tokens)

    def write(self, *, now: bool = False) -> None:
        """Write what was served since the last time, if some of it is due."""
        with self._lock:
            if not now and time.monotonic() - self._written < EVERY_S:
                return
            self._written = time.monotonic()
            for identity, tally in self._tallies.items():
                if tally.requests:
                    self._append(identity, tally)
                    self._tallies[identity] = _Tally(counted=tally.spans[-1][1])
            for identity in list(self._tallies)[:-MOST_TALLIES]:
                del self._tallies[identity]

    def _append(self, identity: str | None, tally: _Tally) -> None:
        self._log.append(
            ServingRecord(
                identity=identity,
                requests=tally.requests,
                prompt_tokens=tally.prompt_tokens,
                completion_tokens=tally.completion_tokens,
                seconds=sum(end - begin for begin, end in tally.spans),
                answered=tally.answered,
            )
        )
