"""The cookbook's recipe of every page, run as pasted: a shape that runs here, and the page Connect."""

from __future__ import annotations

from proofs.desk import code
from proofs.workplace import Run, Workplace, last_words

PAGES = (
    "/connect",
    "/shapes/local/tiny-qwen3-chat-2k",
    "/shapes/local/tiny-qwen3-chat-2k-lora",
    "/shapes/local/tiny-qwen3-2k",
    "/shapes/local/tiny-qwen3-2k-lora",
)


def prove(place: Workplace) -> bool:
    """Print a line for each page; whether all recipes trained and left no trainer."""
    went_well = [_one(place, page) for page in PAGES]
    return all(went_well)


def _one(place: Workplace, page: str) -> bool:
    html = place.read(page)
    run = place.run(html, code(html, "cookbook"))
    left = place.jobs_left()
    good = run.code == 0 and _falls(run) and not left
    losses = " -> ".join(f"{record['train/loss']:.3f}" for record in run.metrics if "train/loss" in record)
    print(f"{'ok  ' if good else 'FAIL'} {page}: loss {losses or '-'}, {run.seconds:.0f} s", flush=True)
    if not good:
        print(f"     exit code {run.code}, left {left}: {last_words(run.said)}", flush=True)
    return good


def _falls(run: Run) -> bool:
    losses = [record["train/loss"] for record in run.metrics if "train/loss" in record]
    return len(losses) > 1 and losses[-1] < losses[0]
