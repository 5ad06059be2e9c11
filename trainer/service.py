"""The trainer behind its HTTP face: what runs for an operation and its body, and what is answered at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from trainer import passes, wire
from trainer.checkpoints import Checkpoints
from trainer.config import TrainerConfig
from trainer.errors import OperationError
from trainer.fields import shown

if TYPE_CHECKING:
    from trainer.operations.parts import Parts
    from trainer.work import Answer, Later

    Runner = Callable[[str, Parts, Any], Answer | Later]

PARSERS: dict[str, Callable[[Any], Any]] = {
    "create_model": wire.parse_create_model,
    "forward": passes.parse_forward,
    "forward_backward": passes.parse_forward_backward,
    "optim_step": wire.parse_optim_step,
    "save_weights": wire.parse_save_weights,
    "save_weights_for_sampler": wire.parse_save_for_sampler,
    "load_weights": wire.parse_load_weights,
    "load_adapter": wire.parse_load_adapter,
    "unload_model": wire.parse_unload_model,
}


@dataclass
class Service:
    """Answers before the model is loaded too: operations submitted then wait for it."""

    config: TrainerConfig
    checkpoints: Checkpoints
    _parts: Parts | None = None
    _runner: Runner | None = None
    _loaded: threading.Event = field(default_factory=threading.Event)

    @property
    def is_ready(self) -> bool:
        return self._loaded.is_set()

    def open(self, parts: Parts, runner: Runner) -> None:
        """The model is loaded: operations may run."""
        self._parts, self._runner = parts, runner
        self._loaded.set()

    def prepare(self, operation: str, body: Any) -> Callable[[], Answer | Later]:
        """What runs the operation, with `body` checked already: a refused body is refused when that runs.

        The official SDK (from 1.2.26 on) gives its whole session up where a call is refused at the door; a refusal that
        is the call's answer costs that call alone. Raises OperationError 404 for an operation that does not exist.
        """
        parser = PARSERS.get(operation)
        if parser is None:
            raise OperationError(f"This trainer has no {shown(operation)}. It has {', '.join(PARSERS)}.", status=404)
        try:
            request = parser(body)
        except OperationError as error:
            return partial(_refuse, error)
        return lambda: self.run(operation, request)

    def capabilities(self) -> dict[str, Any]:
        return {
            "supported_models": [
                {"model_name": self.config.base_model, "max_context_length": self.config.max_context_length}
            ]
        }

    def checkpoint_names(self) -> list[str]:
        return self.checkpoints.names()

    def describe_model(self, model_id: str) -> dict[str, Any]:
        """The answer of get_info. Raises OperationError 404 for an unknown model, 503 while the base is loaded."""
        if self._parts is None:
            raise OperationError("The model is being loaded.", status=503)
        parts = self._parts
        model = parts.host.get(model_id)
        name = self.config.base_model
        return {
            "type": "get_info",
            "model_id": model_id,
            "model_name": name,
            "is_lora": model.rank > 0,
            "lora_rank": model.rank,
            "model_data": {"arch": parts.host.facts.architecture, "model_name": name, "tokenizer_id": name},
        }

    def run(self, operation: str, request: Any) -> Answer | Later:
        """Run it, once the model is loaded; in the thread of operations. Raises OperationError."""
        self._loaded.wait()
        assert self._parts is not None and self._runner is not None
        return self._runner(operation, self._parts, request)


def _refuse(error: OperationError) -> NoReturn:
    raise error
