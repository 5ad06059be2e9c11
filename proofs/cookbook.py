"""Recipes of the official cookbook, unchanged, on the tiny model with chat tokens: data, a configuration, and off."""

from __future__ import annotations

import json
from pathlib import Path

from proofs.workplace import FOLDER, Workplace, last_words

PAGE = "/shapes/local/tiny-qwen3-chat-2k-lora"
SAMPLE = Path("trainer/recipes/sample_sft.jsonl")
RECIPES = {
    "sft_loop": "conversations.jsonl",
    "dpo_loop": "preferences.jsonl",
    "orpo_loop": "preferences.jsonl",
}
"""Each with its data. Those that sample need a deployment, which no provider here runs."""


def prove(checkout: Path) -> bool:
    """Print a line for each recipe; whether all of them trained and left no trainer."""
    place = Workplace(checkout)
    html = place.read(PAGE)
    _write_data()
    went_well = [_one(place, html, recipe, data) for recipe, data in RECIPES.items()]
    return all(went_well)


def _one(place: Workplace, html: str, recipe: str, data: str) -> bool:
    run = place.run(html, _program(recipe, data))
    left = place.jobs_left()
    steps = [record for record in run.metrics if any(name.startswith("train/") for name in record)]
    good = run.code == 0 and bool(steps) and not left
    shown = ", ".join(f"{name} {value:.3f}" for name, value in _figures(steps[-1]).items()) if steps else ""
    print(f"{'ok  ' if good else 'FAIL'} {recipe}: {len(steps)} steps, {run.seconds:.0f} s; {shown}", flush=True)
    if not good:
        print(f"     exit code {run.code}, left {left}: {last_words(run.said)}", flush=True)
    return good


def _figures(record: dict[str, float]) -> dict[str, float]:
    wanted = ("train/loss", "train/ce_loss", "train/dpo_loss", "train/orpo_loss", "train/accuracy", "train/margin")
    return {name.removeprefix("train/"): record[name] for name in wanted if isinstance(record.get(name), float)}


def _program(recipe: str, data: str) -> str:
    return f"""import logging

from training.recipes.{recipe} import Config, main
from training.utils import TrainerConfig

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    main(
        Config(
            log_path="./logs",
            base_model="accounts/local/models/tiny-qwen3-chat",
            dataset="./{data}",
            tokenizer_model="./tiny-qwen3-chat",
            renderer_name="qwen3_instruct",
            max_seq_len=2048,
            lora_rank=8,
            learning_rate=1e-3,
            epochs=2,
            batch_size=4,
            trainer=TrainerConfig(training_shape_id="accounts/local/trainingShapes/tiny-qwen3-chat-2k-lora"),
        )
    )
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
