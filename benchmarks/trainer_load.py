"""The trainer: tokens a second of whole steps beside a plain torch loop, and how much two processes do of one's.

plain      8 sequences at a time in the order given, padded to the longest of them, then AdamW
trainer    the same sequences in one forward_backward over HTTP, then optim_step, of one process and of two
even, mixed    sequences of one length; a long one and a short one by turns
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from benchmarks.noted import note
from benchmarks.results import Figure
from benchmarks.trainer_processes import ask, bare, serving, trainer_python

BASE_MODEL = "accounts/local/models/tiny-qwen3"
VOCABULARY = 512
CASES = {"even": [160] * 16, "mixed": [300, 20] * 8}
SIZES = {"base_model": BASE_MODEL, "vocabulary": VOCABULARY, "batch": 8}
ROUNDS = 3
PROCESSES = (1, 2)
Step = Callable[[list[int]], float]
"""Takes a step with sequences of those lengths; answers its seconds."""


def main() -> None:
    """Print and note each rate; the better of a few rounds, in which all take turns."""
    python = trainer_python()
    with TemporaryDirectory() as folder, ExitStack() as stack:
        root = Path(folder)
        plain = stack.enter_context(bare(python, "benchmarks.bare_training", folder, json.dumps(SIZES)))
        assert plain.stdout
        parameters = int(plain.stdout.readline())
        steps: dict[str, Step] = {"plain": lambda lengths: float(ask(plain, ",".join(map(str, lengths))))}
        for count in PROCESSES:
            client = stack.enter_context(serving(python, "trainer", _config(root, count), "/api/v1/healthz"))
            steps[f"of {count}"] = _stepper(client)
        print(f"{parameters / 1e6:.0f} million parameters, all trained; tokens/s, padding not counted")
        print(f"{'':8}" + "".join(f"{name:>10}" for name in steps) + f"{'of 1 : plain':>14}{'of 2 : of 1':>13}")
        for case, lengths in CASES.items():
            _measure(case, lengths, steps)


def _measure(case: str, lengths: list[int], steps: dict[str, Step]) -> None:
    took = {name: float("inf") for name in steps}
    for number in range(1 + ROUNDS):
        for name, step in steps.items():
            seconds = step(lengths)
            if number:  # the first warms up
                took[name] = min(took[name], seconds)
    rates = "".join(f"{sum(lengths) / seconds:10.0f}" for seconds in took.values())
    print(f"{case:8}{rates}{took['plain'] / took['of 1']:14.2f}{took['of 1'] / took['of 2']:13.2f}")
    note(Figure(f"trainer, a step, {case} lengths", took["of 1"], took["plain"]))
    note(Figure(f"trainer, a step of two processes, {case}", took["of 2"], took["of 1"]))


def _config(root: Path, processes: int) -> dict[str, Any]:
    job = f"of-{processes}"
    return {
        "directory": str(root / "runs" / job), "checkpoints": str(root / "jobs" / job / "checkpoints"),
        "jobs_root": str(root / "jobs"), "job": job, "base_model": BASE_MODEL, "model_directory": str(root / "model"),
        "model_cache": str(root / "cache"), "trainer_mode": "POLICY_TRAINER", "processes": processes,
    }  # fmt: skip


def _stepper(client: httpx.Client) -> Step:
    """Makes a model there; answers what takes a step with it."""
    given = {"model_id": make_model(client, BASE_MODEL)}

    def step(lengths: list[int]) -> float:
        data = [datum([place % VOCABULARY for place in range(length)]) for length in lengths]
        began = time.perf_counter()
        call(client, "forward_backward", given | {"forward_backward_input": {"data": data, "loss_fn": "cross_entropy"}})
        call(client, "optim_step", given | {"adam_params": {"learning_rate": 1e-3, "grad_clip_norm": 1.0}})
        return time.perf_counter() - began

    return step


def make_model(client: httpx.Client, base_model: str, rank: int = 0) -> str:
    """The id of a new model of that trainer: all of its parameters, or an adapter of that rank."""
    session = client.post("/api/v1/create_session", json={"tags": []}).raise_for_status().json()["session_id"]
    body = {"session_id": session, "base_model": base_model, "lora_config": {"rank": rank}}
    return str(call(client, "create_model", body)["model_id"])


def datum(tokens: list[int]) -> dict[str, Any]:
    return {
        "model_input": {"chunks": [{"type": "encoded_text", "tokens": tokens}]},
        "loss_fn_inputs": {"target_tokens": {"data": tokens, "dtype": "int64", "shape": [len(tokens)]}},
    }


def call(client: httpx.Client, operation: str, body: dict[str, Any]) -> dict[str, Any]:
    """One operation, waited for. Errors: RuntimeError with what the trainer says."""
    request = client.post(f"/api/v1/{operation}", json=body).raise_for_status().json()["request_id"]
    while (answer := client.post("/api/v1/retrieve_future", json={"request_id": request})).status_code == 408:
        pass
    told: dict[str, Any] = answer.raise_for_status().json()
    if "error" in told:
        raise RuntimeError(told["error"])
    return told
