"""sample-sft: the trainer drives itself over a small bundled data set, with the bodies that a client would send."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.checkpoints import Checkpoints, read_info
from trainer.config import FORWARD_ONLY, LORA, POLICY, TrainerConfig

log = logging.getLogger(__name__)

SAMPLE = Path(__file__).parent / "recipes" / "sample_sft.jsonl"
BATCH = 16
SAVE_EVERY = 20
LEARNING_RATES = {POLICY: 3e-3, LORA: 1e-2}
LORA_ALPHA = 32

Call = Callable[[str, dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class SampleSft:
    """Supervised fine-tuning for `recipe_steps` steps; a forward-only trainer reports the losses and trains nothing.

    call(operation, body) does one operation and answers what a client would get; it raises OperationError.
    """

    config: TrainerConfig
    checkpoints: Checkpoints
    model_directory: Path
    call: Call

    def run(self) -> str:
        """Run to the end and return one sentence that says what was done."""
        data = load_sample(self.model_directory, self.config.max_context_length)
        model_id = self._create_model()
        if self.config.trainer_mode == FORWARD_ONLY:
            for step in range(self.config.recipe_steps):
                self._pass("forward", model_id, data, step)
            return f"Recipe sample-sft finished after {self.config.recipe_steps} forward passes."
        first = self._resume(model_id)
        for step in range(first, self.config.recipe_steps):
            self._train(model_id, data, step)
            if (step + 1) % SAVE_EVERY == 0 or step + 1 == self.config.recipe_steps:
                self._save(model_id, step + 1)
        return f"Recipe sample-sft finished at step {self.config.recipe_steps}."

    def _create_model(self) -> str:
        rank = self.config.lora_rank if self.config.trainer_mode == LORA else 0
        body = {"session_id": "recipe", "base_model": self.config.base_model, "lora_config": {"rank": rank, "alpha": LORA_ALPHA, "seed": 0}}
        return str(self.call("create_model", body)["model_id"])

    def _resume(self, model_id: str) -> int:
        """Load the checkpoint to go on from, if any, and return its step."""
        name = self.config.resume_from
        if name is None:
            return 0
        self.call("load_weights", {"model_id": model_id, "path": name, "optimizer": True})
        return read_info(self.checkpoints.find(name)).step

    def _pass(self, operation: str, model_id: str, data: list[dict[str, Any]], step: int) -> None:
        batch = [data[(step * BATCH + index) % len(data)] for index in range(BATCH)]
        self.call(operation, {"model_id": model_id, f"{operation}_input": {"data": batch, "loss_fn": "cross_entropy"}})

    def _train(self, model_id: str, data: list[dict[str, Any]], step: int) -> None:
        self._pass("forward_backward", model_id, data, step)
        rate = self.config.learning_rate or LEARNING_RATES[self.config.trainer_mode]
        adam = {"learning_rate": rate, "grad_clip_norm": 1.0}
        self.call("optim_step", {"model_id": model_id, "adam_params": adam, "grad_accumulation_normalization": "num_loss_tokens"})

    def _save(self, model_id: str, step: int) -> None:
        self.call("save_weights", {"model_id": model_id, "path": self.checkpoints.free_name(f"step-{step}")})


def load_sample(model_directory: Path, max_context_length: int) -> list[dict[str, Any]]:
    """The bundled pairs as datums: prompt tokens have weight 0, completion tokens weight 1; cut to the context limit."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_directory, local_files_only=True)
    end = [tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else []
    data = []
    for line in SAMPLE.read_text(encoding="utf-8").splitlines():
        pair = json.loads(line)
        prompt = tokenizer.encode(f"{pair['prompt']}\n", add_special_tokens=False)
        whole = (prompt + tokenizer.encode(pair["completion"], add_special_tokens=False) + end)[: max_context_length + 1]
        weights = [0.0] * (len(prompt) - 1) + [1.0] * (len(whole) - len(prompt))
        data.append(make_datum(whole, weights[: len(whole) - 1]))
    log.info("recipe sample-sft: %d sequences of %d tokens in all", len(data), sum(len(d["model_input"]["chunks"][0]["tokens"]) for d in data))
    return data


def make_datum(tokens: list[int], weights: list[float]) -> dict[str, Any]:
    """One datum on the wire, from a whole sequence: inputs are all tokens but the last, targets all but the first."""
    length = len(tokens) - 1
    return {
        "model_input": {"chunks": [{"type": "encoded_text", "tokens": tokens[:-1]}]},
        "loss_fn_inputs": {
            "target_tokens": {"data": tokens[1:], "dtype": "int64", "shape": [length]},
            "weights": {"data": weights, "dtype": "float32", "shape": [length]},
        },
    }
