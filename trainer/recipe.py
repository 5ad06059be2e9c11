"""The trainer drives itself over a small bundled data set, with the bodies that a client would send.

sample-sft  trains on the sample, and at the end saves what it became for sampling, too, so that it can be promoted
validation  trains on the sample; one step is a single sequence as long as the context allows
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from trainer.checkpoints import Checkpoints
from trainer.config import FORWARD_ONLY, LORA, VALIDATION, TrainerConfig
from trainer.errors import NoSpaceError
from trainer.operations.weights import OPTIMIZER

log = logging.getLogger(__name__)

SAMPLE = Path(__file__).parent / "recipes" / "sample_sft.jsonl"
SEQUENCE_TOKENS = 256
SAVE_EVERY = 20
SPACE_PAUSE_S = 5.0
LEARNING_RATE = 3e-3
LORA_ALPHA = 32

Pair = tuple[list[int], list[float]]
Call = Callable[[str, dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class SampleRecipe:
    """Supervised fine-tuning for `recipe_steps` steps; a forward-only trainer reports the losses and trains nothing.

    call(operation, body) does one operation and answers what a client would get; it raises OperationError.
    """

    config: TrainerConfig
    checkpoints: Checkpoints
    model_directory: Path
    call: Call

    def run(self) -> str:
        """Run to the end and return one sentence that says what was done."""
        pairs = load_sample(self.model_directory)
        model_id = self._create_model()
        if self.config.trainer_mode == FORWARD_ONLY:
            for step in range(self.config.recipe_steps):
                self._pass("forward", model_id, pairs, step)
            return f"Recipe {self.config.recipe} finished after {self.config.recipe_steps} forward passes."
        first, last = self._resume(model_id), self.config.start_step + self.config.recipe_steps
        for step in range(first, last):
            self._train(model_id, pairs, step)
            if (step + 1) % SAVE_EVERY == 0 or step + 1 == last:
                self._save("save_weights", model_id, step + 1)
        if self.config.recipe != VALIDATION:
            self._save("save_weights_for_sampler", model_id, last)
        return f"Recipe {self.config.recipe} finished at step {last}."

    def _create_model(self) -> str:
        rank = self.config.lora_rank if self.config.trainer_mode == LORA else 0
        body = {
            "session_id": "recipe",
            "base_model": self.config.base_model,
            "lora_config": {"rank": rank, "alpha": self._alpha(), "seed": 0},
        }
        return str(self.call("create_model", body)["model_id"])

    def _alpha(self) -> int:
        """As the checkpoint to go on from was trained: with another one its adapter would be scaled differently."""
        name = self._checkpoint()
        return (self.checkpoints.find(name)[1].lora_alpha if name else None) or LORA_ALPHA

    def _checkpoint(self) -> str | None:
        """What to go on from; an adapter is what the model is created as."""
        return self.config.resume_from or (None if self.config.adapter else self.config.start_from)

    def _resume(self, model_id: str) -> int:
        """Load the checkpoint to go on from, if any, and return its step.

        One of another job may come without the state of an optimizer, which then begins anew.
        """
        name = self._checkpoint()
        if name is None:
            return 0
        directory, info = self.checkpoints.find(name)
        with_optimizer = name == self.config.resume_from or (directory / OPTIMIZER).is_file()
        self.call("load_weights", {"model_id": model_id, "path": name, "optimizer": with_optimizer})
        return info.step

    def _pass(self, operation: str, model_id: str, pairs: list[Pair], step: int) -> None:
        if self.config.recipe == VALIDATION and step == full_context_step(self.config.recipe_steps):
            batch = [make_full_context(pairs, self.config.max_context_length)]
        else:
            batch = make_batch(pairs, step, self.config.max_context_length)
        self.call(operation, {"model_id": model_id, f"{operation}_input": {"data": batch, "loss_fn": "cross_entropy"}})

    def _train(self, model_id: str, pairs: list[Pair], step: int) -> None:
        self._pass("forward_backward", model_id, pairs, step)
        rate = self.config.learning_rate or LEARNING_RATE
        adam = {"learning_rate": rate, "grad_clip_norm": 1.0}
        self.call(
            "optim_step",
            {"model_id": model_id, "adam_params": adam, "grad_accumulation_normalization": "num_loss_tokens"},
        )

    def _save(self, operation: str, model_id: str, step: int) -> None:
        """Save, and wait for space on a full disk: what was trained is in memory alone until then."""
        while True:
            try:
                self.call(operation, {"model_id": model_id, "path": f"step-{step}"})
                return
            except NoSpaceError as error:
                log.warning("%s This is tried again every %g s.", error.detail, SPACE_PAUSE_S)
                time.sleep(SPACE_PAUSE_S)


def load_sample(model_directory: Path) -> list[Pair]:
    """The bundled pairs as (tokens, weights): prompt tokens have weight 0, completion tokens weight 1."""
    tokenizer = AutoTokenizer.from_pretrained(model_directory, local_files_only=True)
    end = [tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else []
    pairs = []
    for line in SAMPLE.read_text(encoding="utf-8").splitlines():
        pair = json.loads(line)
        prompt = tokenizer.encode(f"{pair['prompt']}\n", add_special_tokens=False)
        completion = tokenizer.encode(pair["completion"], add_special_tokens=False) + end
        pairs.append((prompt + completion, [0.0] * len(prompt) + [1.0] * len(completion)))
    log.info("sample: %d pairs, %d tokens", len(pairs), sum(len(tokens) for tokens, _ in pairs))
    return pairs


def make_batch(pairs: list[Pair], step: int, max_context_length: int) -> list[dict[str, Any]]:
    """All pairs once, in an order that depends on the step alone, joined into sequences of SEQUENCE_TOKENS at most."""
    limit = min(SEQUENCE_TOKENS, max_context_length)
    order = random.Random(step).sample(pairs, len(pairs))  # noqa: S311  # an order, no secret
    packed: list[Pair] = []
    for tokens, weights in order:
        if packed and len(packed[-1][0]) + len(tokens) <= limit:
            packed[-1] = (packed[-1][0] + tokens, packed[-1][1] + weights)
        else:
            packed.append((tokens[: limit + 1], weights[: limit + 1]))
    return [make_datum(tokens, weights[1:]) for tokens, weights in packed]


def full_context_step(steps: int) -> int:
    """Which of `steps` steps, from 0, a validation runs at the full context.

    Neither the first nor the last where there are more than two, so that the losses of these two are of the same data.
    """
    return max(0, steps - 2)


def make_full_context(pairs: list[Pair], max_context_length: int) -> dict[str, Any]:
    """One datum of exactly `max_context_length` input tokens: the sample, over and over."""
    tokens = [token for pair, _ in pairs for token in pair]
    weights = [weight for _, pair in pairs for weight in pair]
    length = max_context_length + 1  # the last token is a target only
    return make_datum(list(islice(cycle(tokens), length)), list(islice(cycle(weights), length))[1:])


def make_datum(tokens: list[int], weights: list[float]) -> dict[str, Any]:
    """One datum on the wire: inputs are all tokens of a sequence but the last, targets all but the first."""
    length = len(tokens) - 1
    return {
        "model_input": {"chunks": [{"type": "encoded_text", "tokens": tokens[:-1]}]},
        "loss_fn_inputs": {
            "target_tokens": {"data": tokens[1:], "dtype": "int64", "shape": [length]},
            "weights": {"data": weights, "dtype": "float32", "shape": [length]},
        },
    }
