"""Which weights a sampler holds, what each is called, and how newer ones take their place. Knows nothing of torch.

One load at a time, in the order they were asked for, in a thread of its own. What is served changes in one moment, when
the new weights are there; a choice goes on with those that it came for.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sampler.config import SamplerConfig
from sampler.engine import Engine, Weights
from sampler.snapshots import Snapshot, find_snapshot, verify
from sampler.wire import HotLoad
from trainer.errors import OperationError
from trainer.fields import shown

log = logging.getLogger(__name__)

LOADING, READY, ERROR = "loading", "ready", "error"
MOST_WAITING = 16


@dataclass(frozen=True, eq=False)
class Served:
    """Weights that answer, and by which name: identity is None for the base model as it is."""

    identity: str | None
    source: str | None
    weights: Weights


@dataclass(frozen=True, kw_only=True)
class Load:
    """The load that is under way, or the last one. seconds: how long it took, or has taken so far."""

    identity: str
    stage: str
    message: str = ""
    seconds: float = 0.0


class Holdings:
    def __init__(self, config: SamplerConfig, engine: Engine, note: Callable[[Load], None]) -> None:
        """`note` is told how each load ended."""
        self._config = config
        self._engine = engine
        self._note = note
        self._lock = threading.RLock()
        self._loader = ThreadPoolExecutor(1, "load")
        self._waiting = 0
        self._base: Served | None = None
        self._current: Served | None = None
        self._adapters: OrderedDict[str, Served] = OrderedDict()
        self._load: Load | None = None
        self._begun = 0.0

    def open(self, directory: Path) -> None:
        """Load the base model, and on it what the configuration names."""
        self._directory = directory
        base = Served(None, None, self._engine.open(directory))
        with self._lock:
            self._base = base
            if self._config.snapshot is None:
                self._current = base
                return
        self._carry_out(HotLoad(self._config.snapshot, None), self._config.trainer_job)

    @property
    def is_ready(self) -> bool:
        return self._current is not None

    @property
    def identity(self) -> str | None:
        """What answers now to the deployment's name."""
        return self._current.identity if self._current else None

    @contextmanager
    def use(self, model: str) -> Iterator[Served]:
        """The weights of that name, which are not let go of while something is submitted for them.

        Raises OperationError 404 for a name that nothing here has.
        """
        with self._lock:
            yield self._choose(model)

    def names(self) -> dict[str, Served]:
        """Everything that answers, by the name to ask for it by."""
        deployment, names = self._config.deployment, {}
        with self._lock:
            if self._current:
                names[deployment] = self._current
            if self._base:
                names[self._config.base_model] = self._base
            named = [*self._adapters.values(), *([self._current] if self._current else [])]
            return names | {f"{deployment}#{each.identity}": each for each in named if each.identity}

    def request(self, load: HotLoad, job: str | None) -> Future[Served]:
        """Load it when its turn comes. The future raises OperationError where that was not possible.

        Raises OperationError 503 where too many wait.
        """
        with self._lock:
            if self._waiting >= MOST_WAITING:
                raise OperationError(f"{MOST_WAITING} hot loads wait already; come again when they are done.", 503)
            self._waiting += 1
        return self._loader.submit(self._take_turn, load, job)

    def status(self) -> dict[str, Any]:
        """As the SDK polls it; no replica as long as there is nothing that could take a load."""
        with self._lock:
            if self._current is None:
                return {"replicas": []}
            load = self._load
            seconds = time.monotonic() - self._begun if load and load.stage == LOADING else load.seconds if load else 0
            return {
                "replicas": [
                    {
                        "current_snapshot_identity": self._current.identity,
                        "readiness": True,
                        "loading_state": {
                            "stage": load.stage if load else READY,
                            "target_snapshot_identity": load.identity if load else None,
                            "message": load.message if load else "",
                            "seconds": round(seconds, 3),
                        },
                        "loaded_adapters": [{"identity": each, "status": "loaded"} for each in self._adapters],
                    }
                ]
            }

    def _choose(self, model: str) -> Served:
        deployment, _, identity = model.partition("#")
        if self._current is None:
            raise OperationError("The model is being loaded.", 503)
        if identity == self._config.deployment:  # MODEL#DEPLOYMENT, as some clients write it
            model = identity if deployment == self._config.base_model else f"{identity}#{deployment}"
            deployment, _, identity = model.partition("#")
        if identity and deployment != self._config.deployment:
            deployment, identity = model, ""
        wanted = identity or model
        if wanted in self._adapters:
            self._adapters.move_to_end(wanted)
            return self._adapters[wanted]
        if model == deployment == self._config.deployment or wanted == self._current.identity:
            return self._current
        if model == self._config.base_model and self._base:
            return self._base
        gone = " Whole weights were loaded in its place." if model == self._config.base_model else ""
        raise OperationError(f"There is no model {shown(model)} here.{gone} There are {', '.join(self.names())}.", 404)

    def _take_turn(self, load: HotLoad, job: str | None) -> Served:
        try:
            return self._carry_out(load, job)
        finally:
            with self._lock:
                self._waiting -= 1

    def _carry_out(self, load: HotLoad, job: str | None) -> Served:
        self._begun = time.monotonic()
        with self._lock:
            self._load = Load(identity=load.identity, stage=LOADING)
        try:
            served = self._bring(load, job)
        except Exception as error:
            refusal = error if isinstance(error, OperationError) else None
            message = refusal.detail if refusal else f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"
            self._end(load.identity, ERROR, message)
            raise refusal or OperationError(f"{shown(load.identity)} could not be loaded: {message}") from error
        self._end(load.identity, READY, "")
        return served

    def _end(self, identity: str, stage: str, message: str) -> None:
        ended = Load(identity=identity, stage=stage, message=message, seconds=time.monotonic() - self._begun)
        with self._lock:
            self._load = ended
        log.log(
            logging.INFO if stage == READY else logging.WARNING,
            "hot load of %s: %s in %.3f s %s",
            identity,
            stage,
            ended.seconds,
            message,
        )
        self._note(ended)

    def _bring(self, load: HotLoad, job: str | None) -> Served:
        current = self._current
        serving = current.identity if current else None
        if load.previous is not None and load.previous != serving:
            raise OperationError(
                f"incremental_snapshot_metadata.previous_snapshot_identity is {shown(load.previous)}, but "
                f"{shown(serving) if serving else 'the base model'} is loaded. Load a whole snapshot first "
                "(checkpoint_type base).",
                409,
            )
        snapshot = find_snapshot(self._config, load.identity, job)
        for held in [*self._adapters.values(), *([current] if current else [])]:
            if (held.identity, held.source) == (snapshot.identity, snapshot.source):
                self._serve(held)
                return held
        verify(snapshot, self._config.base_model)
        served = self._bring_adapter(snapshot) if snapshot.is_adapter else self._bring_full(snapshot)
        return served

    def _bring_full(self, snapshot: Snapshot) -> Served:
        served = Served(snapshot.identity, snapshot.source, self._engine.load_full(snapshot.directory))
        with self._lock:
            old = {*self._adapters.values(), *(each for each in (self._base, self._current) if each)}
            self._base = None
            self._adapters.clear()
            self._current = served
            self._let_go(old)
        return served

    def _bring_adapter(self, snapshot: Snapshot) -> Served:
        base = self._base or Served(None, None, self._engine.open(self._directory))
        weights = self._engine.load_adapter(snapshot.directory, base.weights)
        served = Served(snapshot.identity, snapshot.source, weights)
        with self._lock:
            old = set()
            if self._base is None and self._current:
                old.add(self._current)  # whole weights, which the base comes back for
            self._base = base
            if replaced := self._adapters.pop(snapshot.identity, None):
                old.add(replaced)
            self._adapters[snapshot.identity] = served
            self._current = served
            while len(self._adapters) > self._config.max_adapters:
                old.add(self._adapters.popitem(last=False)[1])
            self._let_go(old)
        return served

    def _serve(self, held: Served) -> None:
        with self._lock:
            self._current = held
            if held.identity is not None and held.identity in self._adapters:
                self._adapters.move_to_end(held.identity)

    def _let_go(self, old: set[Served]) -> None:
        for served in old:
            self._engine.release(served.weights)
