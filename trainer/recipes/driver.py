"""What every recipe asks of the trainer, with the bodies that a client would send."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trainer.checkpoints import Checkpoints
from trainer.config import LORA, TrainerConfig
from trainer.errors import NoSpaceError
from trainer.operations.weights import has_optimizer
from trainer.recipes.datum import Datum
from trainer.recipes.schedule import LEARNING_RATE

log = logging.getLogger(__name__)

SPACE_PAUSE_S = 5.0
LORA_ALPHA = 32
CLIP_NORM = 1.0

Call = Callable[[str, dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Driver:
    """call(operation, body) does one operation and answers what a client would get; it raises OperationError."""

    config: TrainerConfig
    checkpoints: Checkpoints
    call: Call

    def create_model(self, *, seed: int = 0, frozen: bool = False, adapts_mlps: bool = True) -> str:
        """A model as the launch asks for it, or the base alone; its id. An adapter leaves MLPs alone where it is to."""
        rank = self.config.lora_rank if self.config.trainer_mode == LORA else 0
        body = {
            "session_id": "recipe",
            "base_model": self.config.base_model,
            "base_only": frozen,
            "lora_config": {"rank": rank, "alpha": self._alpha(), "seed": seed, "train_mlp": adapts_mlps},
        }
        return str(self.call("create_model", body)["model_id"])

    def resume(self, model_id: str) -> int:
        """Load the checkpoint to go on from, if any, and return its step.

        One of another job may come without the state of an optimizer, which then begins anew.
        """
        name = self._checkpoint()
        if name is None:
            return 0
        directory, info = self.checkpoints.find(name)
        with_optimizer = name == self.config.resume_from or has_optimizer(directory)
        self.call("load_weights", {"model_id": model_id, "path": name, "optimizer": with_optimizer})
        return info.step

    def load_start(self, model_id: str) -> None:
        """Give the model the weights that the launch began with."""
        if (name := self.start) is not None:
            self.call("load_weights", {"model_id": model_id, "path": name, "optimizer": False})

    @property
    def start(self) -> str | None:
        """The checkpoint that the launch began with; an adapter is what a model is created as."""
        return None if self.config.adapter else self.config.start_from

    def look(self, operation: str, model_id: str, data: list[Datum], **told: float) -> dict[str, Any]:
        """A forward or forward_backward over the data; `told` is put on record."""
        given: dict[str, Any] = {"data": data, "loss_fn": "cross_entropy"}
        if told:
            given["loss_fn_config"] = told
        return self.call(operation, {"model_id": model_id, f"{operation}_input": given})

    def step(self, model_id: str, rate: float, normalization: str) -> None:
        """One optimizer step at that learning rate."""
        adam = {"learning_rate": rate, "grad_clip_norm": CLIP_NORM}
        body = {"model_id": model_id, "adam_params": adam, "grad_accumulation_normalization": normalization}
        self.call("optim_step", body)

    def save(self, operation: str, model_id: str, step: int) -> None:
        """Save, and wait for space on a full disk: what was trained is in memory alone until then."""
        while True:
            try:
                self.call(operation, {"model_id": model_id, "path": f"step-{step}"})
                return
            except NoSpaceError as error:
                log.warning("%s This is tried again every %g s.", error.detail, SPACE_PAUSE_S)
                time.sleep(SPACE_PAUSE_S)

    @property
    def learning_rate(self) -> float:
        """That of the launch, where it has one."""
        return self.config.learning_rate or LEARNING_RATE

    def _alpha(self) -> int:
        """As the checkpoint to go on from was trained: with another one its adapter would be scaled differently."""
        name = self._checkpoint()
        return (self.checkpoints.find(name)[1].lora_alpha if name else None) or LORA_ALPHA

    def _checkpoint(self) -> str | None:
        return self.config.resume_from or self.start
