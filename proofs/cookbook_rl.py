"""The official cookbook's recipes of reinforcement learning, unchanged, on the tiny model with chat tokens.

Each starts what it needs by itself (a policy, where it asks for one a reference, a sampler), loads its weights into the
sampler after every step, and ends what it started. The task: an answer is worth the share of its characters that are
the letter e, which a model with random weights seldom writes.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from proofs.workplace import FOLDER, Workplace, last_words

PAGE = "/shapes/local/tiny-qwen3-chat-2k-lora"
BASE = "accounts/local/models/tiny-qwen3-chat"
SEED = 7
PROMPTS = 80
QUESTIONS = "./questions.jsonl"
EDGE = 3
"""Steps at the beginning, and at the end, that are compared."""
REWARD = """
def reward_fn(completion, row):
    return completion.count("e") / max(len(completion), 1)
"""
ROLLOUT = """
def make_rollout_fn(setup):
    sampler = build_deployment_sampler(setup)

    async def rollout_fn(sample_prompt):
        (made,) = await sampler.sample_with_tokens(sample_prompt["messages"], n=1, **setup.sample_kwargs)
        new = made.full_tokens[made.prompt_len :]
        sample = RolloutSample(
            tokens=list(made.full_tokens),
            logprobs=[0.0] * made.prompt_len + list(made.sampling_logprobs)[-len(new) :],
            loss_mask=[0] * made.prompt_len + [1] * len(new),
            reward=reward_fn(made.text, sample_prompt),
            finish_reason=made.finish_reason,
            text=made.text,
        )
        return RolloutRun(segments=[sample])

    return rollout_fn
"""


@dataclass(frozen=True)
class LoopRecipe:
    """One, and how it is told the task; `before` is what its user writes, `call` what `main` is given.

    `measure` is the metric that has to go up, or down where `falls`.
    """

    name: str
    measure: str
    rank: int = 8
    falls: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)
    before: str = ""
    call: str = ""

    @property
    def shape(self) -> str:
        return "tiny-qwen3-chat-2k-lora" if self.rank else "tiny-qwen3-chat-2k"


OWN_REWARD = f"{REWARD}\nrecipe.reward_fn = reward_fn\n"
MENDED_ADVANTAGES = """
advantages_of = recipe.compute_turn_advantages
recipe.compute_turn_advantages = lambda turns, gamma: advantages_of(turns, [], gamma=gamma)
"""
"""The recipe calls a function of the cookbook as it was before it took outcomes apart, which `turns` hold already."""
REWARDED = "rollout/raw_reward"
TRAINED = "trained-by-rl"
RECIPES = (
    LoopRecipe(
        "rl_loop",
        REWARDED,
        rank=0,
        more={"renderer_name": "qwen3_instruct", "seed": SEED, "learning_rate": 3e-3, "output_model_id": TRAINED},
        before=OWN_REWARD,
        call="rows=rows",
    ),
    LoopRecipe(
        "async_rl_loop",
        REWARDED,
        more={"seed": SEED, "learning_rate": 3e-3, "max_head_offpolicy_versions": 1},
        before="from training.examples.rl.vanilla_sampler import build_deployment_sampler\n"
        f"from training.utils.rl.rollout import RolloutRun, RolloutSample\n{REWARD}{ROLLOUT}",
        call="rows=rows, rollout_fn_factory=make_rollout_fn",
    ),
    LoopRecipe(
        "igpo_loop", REWARDED, more={"dataset": QUESTIONS, "ig_weight": 0.1}, before=f"{OWN_REWARD}{MENDED_ADVANTAGES}"
    ),
    LoopRecipe(
        "distillation_loop",
        "train/opd_sampled_reverse_kl",
        falls=True,
        more={"dataset": QUESTIONS, "teacher_model": f"accounts/local/models/{TRAINED}"}
        | {"teacher_deployment_shape": "accounts/local/deploymentShapes/tiny-qwen3-chat-sampler/versions/chat2k01"},
        call="cancel_on_exit=True",
    ),
)
"""In this order: the teacher of the last one is what the first one trained."""


def prove(place: Workplace) -> bool:
    """Print what became of each recipe; whether each came to its end, learned the task and left nothing running."""
    questions = ("Say a word.", "Name a ship.", "Spell your name.", "What is a slipway?")
    rows = [
        {"messages": [{"role": "user", "content": question}], "ground_truth": "slipway"}
        for question in questions * (PROMPTS // len(questions))
    ]
    (FOLDER / QUESTIONS).write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    html = place.read(PAGE)
    went_well = [_one(place, html, recipe) for recipe in RECIPES]
    return all(went_well)


def _one(place: Workplace, html: str, recipe: LoopRecipe) -> bool:
    run = place.run(html, program(recipe))
    left = [*place.jobs_left(), *place.samplers_left()]
    figures = [record[recipe.measure] for record in run.metrics if recipe.measure in record]
    if run.code or "ENDED {" not in run.said or len(figures) < 2 * EDGE or left:
        print(f"FAIL {recipe.name}: exit code {run.code}, {len(figures)} steps, left {left}: {last_words(run.said)}")
        return False
    first, last = fmean(figures[:EDGE]), fmean(figures[-EDGE:])
    learned = last < first if recipe.falls else last > first
    words = f"{len(figures)} steps, {recipe.measure} {first:.3f} -> {last:.3f} (seed {SEED}), {run.seconds:.0f} s"
    print(f"{'ok  ' if learned else 'FAIL'} {recipe.name}: {words}", flush=True)
    return learned


def program(recipe: LoopRecipe, **more: Any) -> str:
    """The recipe with a configuration, as its user would write it."""
    configuration = {"base_model": BASE, "learning_rate": 1e-2, **recipe.more} | more
    told = "\n".join(f"{name}={value!r}," for name, value in configuration.items())
    return f"""import json
import logging

from training.recipes import {recipe.name} as recipe
from training.utils import DeployConfig, TrainerConfig

{recipe.before}
if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(created).3f %(message)s")
    rows = [json.loads(line) for line in open({QUESTIONS!r})]
    print("ENDED", recipe.main(
        recipe.Config(
            log_path="./logs",
            lora_rank={recipe.rank},
            completions_per_prompt=16,
            prompt_groups_per_step=4,
            max_completion_tokens=16,
            trainer=TrainerConfig(training_shape_id="accounts/local/trainingShapes/{recipe.shape}"),
            deployment=DeployConfig(tokenizer_model="./tiny-qwen3-chat"),
{textwrap.indent(told, " " * 12)}
        ),
        {recipe.call}
    ))
"""
