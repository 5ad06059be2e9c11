"""The engine of our own: transformers computes, one thread drives it, and batches are made anew at every token."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import torch

from sampler.batch import Batch
from sampler.config import SamplerConfig
from sampler.model import Model, open_model
from sampler.sequences import Choice
from trainer.adapters import read_adapter
from trainer.errors import OperationError
from trainer.process import start_thread

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Held:
    """Weights that are held: a model, and the name of an adapter on it."""

    model: Model
    adapter: str | None = None


class TransformersEngine:
    """Choices wait in the order they came in until there is room; each is computed by the weights that it came for."""

    def __init__(self, config: SamplerConfig, device: torch.device) -> None:
        self.vocabulary = 0
        self.has_experts = False
        self._config = config
        self._device = device
        self._batches: dict[Held, Batch] = {}
        self._waiting: deque[tuple[Choice, Held]] = deque()
        self._joining = 0
        self._changes: deque[Callable[[], None]] = deque()
        self._released: set[Held] = set()
        self._names = count(1)
        self._wake = threading.Condition()
        start_thread("engine", self._run)

    def open(self, directory: Path) -> Held:
        held = Held(open_model(directory, self._device))
        self.vocabulary, self.has_experts = held.model.vocabulary, held.model.has_experts
        self._shapes = held.model.shapes
        return held

    def load_full(self, directory: Path) -> Held:
        return Held(open_model(directory, self._device, self._shapes))

    def load_adapter(self, directory: Path, base: Held) -> Held:
        adapter = read_adapter(directory)
        if adapter.rank > self._config.max_lora_rank:
            raise OperationError(
                f"The adapter has rank {adapter.rank}; this sampler takes {self._config.max_lora_rank} at most."
            )
        base.model.check_adapter(adapter)
        name = f"adapter{next(self._names)}"
        self._change(lambda: base.model.attach(name, adapter)).result()
        return Held(base.model, name)

    def release(self, weights: Held) -> None:
        self._change(lambda: self._released.add(weights))

    def submit(self, choices: Sequence[Choice], weights: Held) -> None:
        with self._wake:
            self._waiting.extend((choice, weights) for choice in choices)
            self._wake.notify()

    def occupied(self) -> tuple[int, int]:
        with self._wake:
            return sum(map(len, [*self._batches.values()])) + self._joining, len(self._waiting)

    def failure(self) -> str:
        """What breaks breaks one batch."""
        return ""

    def close(self) -> None:
        """Nothing of this process outlives it."""

    def _change(self, change: Callable[[], None]) -> Future[None]:
        """Make a change between two tokens, soon."""
        done: Future[None] = Future()

        def run() -> None:
            try:
                change()
            except Exception as error:
                done.set_exception(error)
            else:
                done.set_result(None)

        with self._wake:
            self._changes.append(run)
            self._wake.notify()
        return done

    def _run(self) -> None:
        while True:
            with self._wake:
                while not (self._changes or self._waiting or self._batches):
                    self._wake.wait()
                changes, self._changes = self._changes, deque()
            for change in changes:
                change()
            for held, joining in self._admit().items():
                batch = self._batches.setdefault(held, Batch(held.model, held.adapter))
                self._guard(held, partial(batch.add, joining), joining)
                self._joining -= len(joining)
            for held, batch in [*self._batches.items()]:
                self._guard(held, batch.step)
                if not batch:
                    del self._batches[held]
            self._let_go()

    def _admit(self) -> dict[Held, list[Choice]]:
        """Those from the front of the queue for whom there is room, by their weights."""
        joining: dict[Held, list[Choice]] = {}
        with self._wake:
            self._waiting = deque(each for each in self._waiting if not each[0].cancelled)
            while self._waiting and self._has_room(joining, *self._waiting[0]):
                choice, held = self._waiting.popleft()
                joining.setdefault(held, []).append(choice)
                self._joining += 1
        return joining

    def _has_room(self, joining: dict[Held, list[Choice]], choice: Choice, held: Held) -> bool:
        wanted = joining | {held: [*joining.get(held, []), choice]}
        rows = sum(map(len, self._batches.values())) + sum(map(len, wanted.values()))
        empty = Batch(held.model, held.adapter)
        footprint = sum(
            self._batches.get(each, empty).footprint(wanted.get(each, ())) for each in {*self._batches, *wanted}
        )
        return rows == 1 or (rows <= self._config.max_batch_size and footprint <= self._config.cache_tokens)

    def _guard(self, held: Held, step: Callable[[], None], joining: Sequence[Choice] = ()) -> None:
        """What breaks in a step breaks the choices of its batch, and nothing else."""
        try:
            step()
        except Exception as error:
            log.exception("a batch of %s broke", held.adapter or "the model")
            for choice in [*self._batches[held].choices, *joining]:
                choice.break_off(f"The engine failed: {type(error).__name__}: {' '.join(str(error).split())[:300]}")
            self._batches[held] = Batch(held.model, held.adapter)

    def _let_go(self) -> None:
        """Drop weights that nobody asks for any more."""
        waiting = {held for _, held in self._waiting}
        for held in [each for each in self._released if each not in self._batches and each not in waiting]:
            self._released.discard(held)
            if held.adapter is not None:
                held.model.detach(held.adapter)
