"""The trainer drives itself over a small bundled data set, with the bodies that a client would send.

sample-sft  trains on the sample, and at the end saves what it became for sampling, too, so that it can be promoted
validation  trains on the sample; one step is a single sequence as long as the context allows
"""

from __future__ import annotations

import json
import logging
import random
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from transformers import AutoTokenizer

from trainer.config import FORWARD_ONLY, LORA, VALIDATION
from trainer.recipes.datum import Datum, make_datum
from trainer.recipes.driver import Driver

log = logging.getLogger(__name__)

SAMPLE = Path(__file__).parent / "sample_sft.jsonl"
SEQUENCE_TOKENS = 256
SAVE_EVERY = 20

Pair = tuple[list[int], list[float]]


@dataclass(frozen=True)
class SampleRecipe:
    """Supervised fine-tuning for `recipe_steps` steps; a forward-only trainer reports the losses and trains nothing.

    `experts` are the parameters of experts, of a mixture of which an adapter changes what is outside of MLPs alone.
    """

    driver: Driver
    model_directory: Path
    experts: int = 0

    def run(self) -> str:
        """Run to the end and return one sentence that says what was done. Raises OperationError."""
        config, driver = self.driver.config, self.driver
        pairs = load_sample(self.model_directory)
        if self.experts and config.trainer_mode == LORA:
            log.info("the experts of this model get no adapter, nor do other MLPs: attention is adapted")
        model_id = driver.create_model(adapts_mlps=not self.experts)
        steps = config.recipe_steps + config.extra_steps
        if config.trainer_mode == FORWARD_ONLY:
            for step in range(steps):
                driver.look("forward", model_id, self._batch(pairs, step))
            return f"Recipe {config.recipe} finished after {steps} forward passes."
        first, last = driver.resume(model_id), config.start_step + steps
        for step in range(first, last):
            driver.look("forward_backward", model_id, self._batch(pairs, step))
            driver.step(model_id, driver.learning_rate, "num_loss_tokens")
            if (step + 1) % SAVE_EVERY == 0 or step + 1 == last:
                driver.save("save_weights", model_id, step + 1)
        if config.recipe != VALIDATION:
            driver.save("save_weights_for_sampler", model_id, last)
        return f"Recipe {config.recipe} finished at step {last}."

    def _batch(self, pairs: list[Pair], step: int) -> list[Datum]:
        config = self.driver.config
        if config.recipe == VALIDATION and step == full_context_step(config.recipe_steps):
            return [make_full_context(pairs, config.max_context_length)]
        return make_batch(pairs, step, config.max_context_length)


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


def make_batch(pairs: list[Pair], step: int, max_context_length: int) -> list[Datum]:
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


def make_full_context(pairs: list[Pair], max_context_length: int) -> Datum:
    """One datum of exactly `max_context_length` input tokens: the sample, over and over."""
    tokens = [token for pair, _ in pairs for token in pair]
    weights = [weight for _, pair in pairs for weight in pair]
    length = max_context_length + 1  # the last token is a target only
    return make_datum(list(islice(cycle(tokens), length)), list(islice(cycle(weights), length))[1:])
