"""The official cookbook's recipe for embedding models, unchanged, on the tiny model, in its three ways.

By vectors and by cosines, of which the recipe makes the loss itself, and by the trainer's own loss. They are one loss.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from proofs.cookbook import BASE, SAMPLE
from proofs.workplace import FOLDER, Workplace, last_words

PAGE = "/shapes/local/tiny-qwen3-chat-2k"
WAYS = ("embedding", "cos_similarity_matrix", "contrastive_loss")
PAIRS = "pairs.jsonl"
EDGE = 3
"""Steps at the beginning, and at the end, that are compared."""
CLOSE = 1e-5
"""How far the losses of the same step may be apart: each way adds up in another order."""


def prove(place: Workplace) -> bool:
    """Print what became of each way; whether the loss fell, was the same in all, and no trainer was left."""
    rows = [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]
    pairs = [{"query": row["prompt"], "positive": row["completion"]} for row in rows]
    (FOLDER / PAIRS).write_text("".join(f"{json.dumps(pair)}\n" for pair in pairs), encoding="utf-8")
    html = place.read(PAGE)
    losses = [_losses(place, html, way) for way in WAYS]
    if not all(losses):
        return False
    apart = max(abs(each - first) for way in losses for each, first in zip(way, losses[0], strict=True))
    left = place.jobs_left()
    print(f"{'ok  ' if apart <= CLOSE else 'FAIL'} the losses of the same step are {apart:.1e} apart; left {left}")
    return apart <= CLOSE and not left


def _losses(place: Workplace, html: str, way: str) -> Sequence[float]:
    """Of each step; nothing where the loss did not fall."""
    run = place.run(html, _program(way))
    found = [record["train/loss"] for record in run.metrics if "train/loss" in record]
    if run.code or len(found) < 2 * EDGE:
        print(f"FAIL {way}: {len(found)} steps, exit code {run.code}: {last_words(run.said)}", flush=True)
        return ()
    first, last = sum(found[:EDGE]) / EDGE, sum(found[-EDGE:]) / EDGE
    good = last < first
    shown = f"{way}: {len(found)} steps, {run.seconds:.0f} s; loss {first:.3f} to {last:.3f}"
    print(f"{'ok  ' if good else 'FAIL'} {shown}", flush=True)
    return found if good else ()


def _program(way: str) -> str:
    return f"""import logging

from training.recipes import embedding_loop as recipe
from training.utils import TrainerConfig

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(created).3f %(message)s")
    recipe.main(
        recipe.Config(
            log_path="./logs",
            base_model={BASE!r},
            dataset="./{PAIRS}",
            tokenizer_model="./tiny-qwen3-chat",
            output_mode={way!r},
            temperature=0.1,
            learning_rate=1e-3,
            epochs=4,
            batch_size=8,
            trainer=TrainerConfig(training_shape_id="accounts/local/trainingShapes/tiny-qwen3-chat-2k"),
        )
    )
"""
