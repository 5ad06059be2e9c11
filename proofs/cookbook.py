"""Recipes of the official cookbook, unchanged, on the tiny model with chat tokens: what they train is kept and leaves,
and others go on with it.

A recipe promotes its last save itself (`output_model_id`) and deletes its job, which is how it ends. The model is
downloaded and opened as its page tells to, and the recipe runs again: from the deleted job's checkpoint, and from the
model. Each time the same tokens are put to the trainer, and to plain transformers and peft.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proofs.desk import code
from proofs.waits import waits_of
from proofs.workplace import FOLDER, Run, Workplace, last_words

PAGE = "/shapes/local/tiny-qwen3-chat-2k-lora"
BASE = "accounts/local/models/tiny-qwen3-chat"
SAMPLE = Path("trainer/recipes/sample_sft.jsonl").absolute()
SAID = FOLDER / "said.jsonl"
MODELS = FOLDER / "models"
TOKENS = tuple(range(5, 69))
CLOSE = 1e-5
STEPS = 20


@dataclass(frozen=True)
class CookbookRecipe:
    """One with its data, how it is told to take a few of them, and what else it is told.

    Those that sample are none of them (cookbook_rl.py). Without `render_workers` one renders in as many
    processes as there may be, each of which loads torch.
    """

    name: str
    data: str
    few: str
    rank: int = 8
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> str:
        return "tiny-qwen3-chat-2k-lora" if self.rank else "tiny-qwen3-chat-2k"

    @property
    def model(self) -> str:
        return f"accounts/local/models/{self.model_id}"

    @property
    def model_id(self) -> str:
        return self.name.replace("_", "-")


RECIPES = (
    CookbookRecipe("sft_loop", "conversations.jsonl", "max_examples", rank=0, more={"render_workers": 1}),
    CookbookRecipe("dpo_loop", "preferences.jsonl", "max_pairs", more={"render_workers": 1}),
    CookbookRecipe("orpo_loop", "preferences.jsonl", "max_pairs"),
)


@dataclass(frozen=True)
class Told:
    """What the trainer answered at one moment of a run: the job, the log-probability of each token; seconds."""

    job: str
    logprobs: Sequence[float]
    promoted: float = field(default=0.0)


def prove(place: Workplace) -> bool:
    """Print what became of each recipe; whether each left a model that is what its trainer was, and no trainer."""
    shutil.rmtree(MODELS, ignore_errors=True)
    MODELS.mkdir(parents=True)
    _write_data()
    html = place.read(PAGE)
    went_well = [_one(place, html, recipe) for recipe in RECIPES]
    return all(went_well)


def _one(place: Workplace, html: str, recipe: CookbookRecipe) -> bool:
    run, told = _run(place, html, _program(recipe, output_model_id=recipe.model_id))
    steps = [record for record in run.metrics if any(name.startswith("train/") for name in record)]
    if run.code or len(steps) != STEPS or not told:
        return _say(False, recipe.name, f"{len(steps)} steps, exit code {run.code}: {last_words(run.said)}")
    last = told[-1]
    shown = ", ".join(f"{name} {value:.3f}" for name, value in _figures(steps[-1]).items())
    waited = ", ".join(f"{what} {seconds:.1f} s" for what, seconds in waits_of(run.said).items())
    went_well = [
        _say(True, recipe.name, f"{STEPS} steps, {run.seconds:.0f} s; {shown}"),
        _say(True, "its last saves", f"{waited}; promoting {last.promoted:.1f} s"),
        _is_kept(place, recipe, last.job),
        _opens(place, html, recipe, last),
        _goes_on(place, html, recipe, last, "from its checkpoint", init_from_checkpoint=f"{last.job}:step-{STEPS}"),
        _goes_on(place, html, recipe, last, "from the model", **_from_model(recipe)),
    ]
    return all(went_well)


def _is_kept(place: Workplace, recipe: CookbookRecipe, job: str) -> bool:
    """The job is deleted, its checkpoints are listed with a time, and the model is there."""
    found = place.ask(f"accounts/local/rlorTrainerJobs/{job}")
    saved = place.ask(f"accounts/local/rlorTrainerJobs/{job}/checkpoints")["checkpoints"]
    model = place.ask(recipe.model)
    kept = [row for row in saved if row.get("expireTime")]
    good = found["state"] == "JOB_STATE_DELETED" and len(kept) == len(saved) == 2 and model["state"] == "READY"
    return _say(good, "its job", f"{found['state']}, {len(kept)} checkpoints kept; the model is {model['state']}")


def _opens(place: Workplace, html: str, recipe: CookbookRecipe, last: Told) -> bool:
    """The model's page says how it is downloaded and loaded; what is loaded says what the trainer said."""
    page = place.read(f"/models/local/{recipe.model_id}")
    fetched = place.run(html, f"cd {MODELS}\n{code(page, 'download-curl')}", by="sh -e")
    read = place.run(html, _reading(code(page, "load")), more="pip install peft\n")
    if fetched.code or read.code:
        return _say(False, "downloaded", last_words(fetched.said if fetched.code else read.said))
    found = json.loads(read.said.rpartition("READ ")[2].splitlines()[0])
    return _compare("downloaded and loaded", last.logprobs, found)


def _goes_on(place: Workplace, html: str, recipe: CookbookRecipe, last: Told, what: str, **start: str) -> bool:
    few = {recipe.few: 4, "epochs": 1, "save_final_checkpoint": False}
    run, told = _run(place, html, _program(recipe, **few, **start))
    steps = [record for record in run.metrics if any(name.startswith("train/") for name in record)]
    left = place.jobs_left()
    if run.code or not steps or not told or left:
        return _say(False, what, f"exit code {run.code}, left {left}: {last_words(run.said)}")
    shown = ", ".join(f"{name} {value:.3f}" for name, value in _figures(steps[0]).items())
    return _compare(f"{what}, {run.seconds:.0f} s; first {shown}", last.logprobs, told[0].logprobs)


def _from_model(recipe: CookbookRecipe) -> dict[str, str]:
    """A whole model is a base model, an adapter what the recipe calls a warm start."""
    return {"warm_start_from_adapter": recipe.model} if recipe.rank else {"base_model": recipe.model}


def _compare(what: str, said: Sequence[float], found: Sequence[float]) -> bool:
    apart = max(abs(one - other) for one, other in zip(said, found, strict=True))
    return _say(apart <= CLOSE, what, f"log-probabilities {apart:.1e} apart")


def _say(good: bool, what: str, words: str) -> bool:
    print(f"{'ok  ' if good else 'FAIL'} {what}: {words}", flush=True)
    return good


def _run(place: Workplace, html: str, program: str) -> tuple[Run, list[Told]]:
    SAID.unlink(missing_ok=True)
    run = place.run(html, program)
    lines = SAID.read_text(encoding="utf-8").splitlines() if SAID.exists() else []
    return run, [Told(**json.loads(line)) for line in lines]


def _figures(record: Mapping[str, float]) -> dict[str, float]:
    wanted = ("train/loss", "train/dpo_loss", "train/orpo_loss", "train/accuracy", "train/margin")
    return {name.removeprefix("train/"): record[name] for name in wanted if isinstance(record.get(name), float)}


def _program(recipe: CookbookRecipe, **more: Any) -> str:
    """The recipe with a configuration. What listens is a subclass of the class by which it keeps its checkpoints."""
    configuration = {"base_model": BASE, "epochs": 2, **recipe.more} | more
    told = "\n".join(f"            {name}={value!r}," for name, value in configuration.items())
    return f"""import json
import logging
import time

import tinker
from training.recipes import {recipe.name} as recipe
from training.utils import TrainerConfig
from training.utils.checkpoints import TrainingCheckpoints


class Watched(TrainingCheckpoints):
    def resume(self, **start):
        found = super().resume(**start)
        self.ask()
        return found

    def promote_latest(self, *what, **how):
        began = time.monotonic()
        made = super().promote_latest(*what, **how)
        self.ask(promoted=time.monotonic() - began)
        return made

    def ask(self, **more):
        tokens = {list(TOKENS)!r}
        inputs = {{
            "target_tokens": tinker.TensorData(data=tokens[1:], dtype="int64", shape=[len(tokens) - 1]),
            "weights": tinker.TensorData(data=[1.0] * (len(tokens) - 1), dtype="float32", shape=[len(tokens) - 1]),
        }}
        datum = tinker.Datum(model_input=tinker.ModelInput.from_ints(tokens[:-1]), loss_fn_inputs=inputs)
        (said,) = self._client.forward([datum], "cross_entropy").loss_fn_outputs
        with open({str(SAID)!r}, "a") as file:
            file.write(json.dumps({{"job": self._trainer_id, "logprobs": list(said["logprobs"].data)}} | more) + "\\n")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(created).3f %(message)s")
    recipe.TrainingCheckpoints = Watched
    recipe.main(
        recipe.Config(
            log_path="./logs",
            dataset="./{recipe.data}",
            tokenizer_model="./tiny-qwen3-chat",
            renderer_name="qwen3_instruct",
            max_seq_len=2048,
            lora_rank={recipe.rank},
            learning_rate=1e-3,
            batch_size=4,
            trainer=TrainerConfig(training_shape_id="accounts/local/trainingShapes/{recipe.shape}"),
{told}
        )
    )
"""


def _reading(loading: str) -> str:
    """The page's code, beside the base model as this Slipway's trainers make it, and the same tokens."""
    return f"""import json
import os
import sys
from pathlib import Path

import torch

sys.path.insert(0, {str(Path.cwd())!r})
from trainer.tiny_model import ensure_tiny_model

os.chdir({str(MODELS)!r})
if not os.path.lexists("tiny-qwen3-chat"):
    os.symlink(ensure_tiny_model(Path("made"), {BASE!r}), "tiny-qwen3-chat")
{loading}
tokens = torch.tensor({list(TOKENS)!r})
with torch.no_grad():
    said = model.eval()(input_ids=tokens[None, :-1]).logits[0].float().log_softmax(-1)
print("READ", json.dumps(said[torch.arange(len(tokens) - 1), tokens[1:]].tolist()))
"""


def _write_data() -> None:
    """Conversations of the bundled sample; as preferences, each answer before that of the question after it."""
    rows = [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]
    said = [{"messages": _turns(row["prompt"], row["completion"])} for row in rows]
    preferred = [
        {"chosen": one, "rejected": {"messages": _turns(row["prompt"], other["completion"])}}
        for row, one, other in zip(rows, said, [*rows[1:], rows[0]], strict=True)
    ]
    for name, records in (("conversations", said), ("preferences", preferred)):
        text = "".join(f"{json.dumps(record)}\n" for record in records)
        (FOLDER / f"{name}.jsonl").write_text(text, encoding="utf-8")


def _turns(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
