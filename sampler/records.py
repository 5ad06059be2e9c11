"""What a sampler puts on record, one JSON object a line of metrics.jsonl: what it served, and what it loaded."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from sampler.holdings import READY, Load
from trainer.durable import write_json
from trainer.metrics import MetricsLog

EVERY_S = 10.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ServingRecord:
    """What was answered in `seconds`, by whatever was loaded; identity is of what is loaded at the end of them."""

    kind: str = "serving"
    identity: str | None
    requests: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class LoadRecord:
    """A hot load: stage is ready or error, message says why."""

    kind: str = "hot_load"
    identity: str
    stage: str
    message: str
    seconds: float


class Records:
    """Adds up what is served, and writes it down now and then; and what was loaded last, in a file of its own."""

    def __init__(self, directory: Path) -> None:
        self._log = MetricsLog(directory / "metrics.jsonl")
        self._loaded = directory / "loaded.json"
        self._lock = threading.Lock()
        self._since = time.monotonic()
        self._requests = self._prompt = self._completion = 0

    def note_load(self, load: Load) -> None:
        with self._lock:
            if load.stage == READY:
                self._write_loaded(load.identity)
            self._log.append(
                LoadRecord(identity=load.identity, stage=load.stage, message=load.message, seconds=load.seconds)
            )

    def _write_loaded(self, identity: str) -> None:
        try:
            write_json(self._loaded, {"identity": identity})
        except OSError as error:
            log.warning("%s was not noted as loaded: %s", identity, error.strerror or error)

    def note_request(self, prompt_tokens: int, completion_tokens: int) -> None:
        with self._lock:
            self._requests += 1
            self._prompt += prompt_tokens
            self._completion += completion_tokens

    def write(self, identity: str | None, *, now: bool = False) -> None:
        """Write what was served since the last time, if some of it is due."""
        with self._lock:
            seconds = time.monotonic() - self._since
            if not (now or seconds >= EVERY_S):
                return
            if self._requests:
                self._log.append(
                    ServingRecord(
                        identity=identity,
                        requests=self._requests,
                        prompt_tokens=self._prompt,
                        completion_tokens=self._completion,
                        seconds=seconds,
                    )
                )
            self._since = time.monotonic()
            self._requests = self._prompt = self._completion = 0
