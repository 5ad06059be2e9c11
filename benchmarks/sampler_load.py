"""The sampler: tokens a second beside transformers' own `generate`, seconds of hot loads, and what the gateway adds.

generate   one call for the whole batch, before and after the sampler, the better of the two
sampler    as many requests at once, streamed with log-probabilities as the SDK's sampler asks for them
hot load   from the request to its answer: every file compared with its sha256, loaded, and serving
gateway    the same request to a deployment's sampler with and without it, in turns: its state, and one token
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from benchmarks.gateway import report
from benchmarks.session import BASE_URL, make_api_key, paired, seconds_of, set_up_django
from benchmarks.trainer_processes import READY_SECONDS, ask, bare, serving, trainer_python

BASE_MODEL, JOB = "accounts/local/models/tiny-qwen3", "bench"
NAME = f"accounts/local/deployments/{JOB}"
SHAPE = "accounts/local/deploymentShapes/tiny-qwen3-sampler/versions/tiny2k01"
VOCABULARY = 512
BATCHES = (1, 8, 32)
PROMPT_TOKENS, NEW_TOKENS = 64, 64
KILOBYTE_TOKENS = 220
"""So many ids are a body of 1 KB."""
ROUNDS = 2
PAIRS = 100
SIZES = {
    "base_model": BASE_MODEL, "job": JOB, "vocabulary": VOCABULARY, "batches": BATCHES,
    "prompt": PROMPT_TOKENS, "new": NEW_TOKENS,
}  # fmt: skip


def main() -> None:
    """Print each figure beside its floor."""
    python = trainer_python()
    with TemporaryDirectory() as name, bare(python, "benchmarks.bare_generate", name, json.dumps(SIZES)) as generate:
        assert generate.stdout
        parameters = int(generate.stdout.readline())
        before = ask(generate)
        with serving(python, "sampler", _config(Path(name)), "/health") as client:
            took = {batch: min(_ask(client, batch) for _ in range(ROUNDS)) for batch in BATCHES}
            loads = {name: _load(client, name) for name in ("adapter-1", "adapter-2", "full-1", "full-2")}
        after = ask(generate)
        print(f"{parameters / 1e6:.0f} million parameters, {PROMPT_TOKENS} tokens in, {NEW_TOKENS} out")
        print(f"{'at once':10}{'tokens/s':>10}{'generate':>10}{'ratio':>8}")
        for batch in BATCHES:
            made, floor = batch * NEW_TOKENS, min(before[str(batch)], after[str(batch)])
            print(f"{batch:<10}{made / took[batch]:10.0f}{made / floor:10.0f}{took[batch] / floor:8.2f}")
        for snapshot, seconds in loads.items():
            print(f"hot load of {snapshot}: {seconds:.3f} s")
    _compare_gateway()


def _compare_gateway() -> None:
    """A deployment of the measured Slipway, asked by both ways."""
    key = make_api_key("bench sampler")
    gateway = httpx.Client(base_url=BASE_URL, headers={"X-Api-Key": key}, timeout=READY_SECONDS)
    address = f"/v1/accounts/local/deployments?deploymentId={JOB}"
    gateway.post(address, json={"deploymentShape": SHAPE, "minReplicaCount": 1}).raise_for_status()
    try:
        direct = _deployed(gateway)
        print(f"{'call':24}{'bare ms':>10}{'gateway ms':>12}{'more ms':>10}{'ratio':>8}")
        for title, ask in (("its state by sampler", _ask_state), ("1 KB to sampler", _ask_token)):
            report(title, paired(partial(ask, direct), partial(ask, gateway), PAIRS))
    finally:
        gateway.delete(f"/v1/{NAME}").raise_for_status()


def _deployed(gateway: httpx.Client) -> httpx.Client:
    """Past the gateway, to the sampler of the deployment once it answers."""
    deadline = time.monotonic() + READY_SECONDS
    while gateway.get(f"/v1/{NAME}").raise_for_status().json()["state"] != "READY":
        if time.monotonic() > deadline:
            raise RuntimeError(f"{NAME} did not answer in {READY_SECONDS} s.")
        time.sleep(0.5)
    set_up_django()
    from deployments.models import Deployment  # noqa: PLC0415 -- models can be imported only once Django is set up
    from deployments.tokens import sampler_token  # noqa: PLC0415

    row = Deployment.objects.get(deployment_id=JOB)
    return httpx.Client(base_url=row.endpoint, headers={"X-Api-Key": sampler_token(row)}, timeout=READY_SECONDS)


def _ask_state(client: httpx.Client) -> float:
    fields = {"fireworks-deployment": NAME, "fireworks-model": BASE_MODEL}
    return seconds_of(lambda: client.get("/hot_load/v1/models/hot_load", headers=fields).raise_for_status())


def _ask_token(client: httpx.Client) -> float:
    body = {"model": NAME, "prompt": list(range(KILOBYTE_TOKENS)), "max_tokens": 1, "logprobs": True}
    return seconds_of(lambda: client.post("/inference/v1/completions", json=body).raise_for_status())


def _config(root: Path) -> dict[str, Any]:
    return {
        "directory": str(root / "run"), "deployment": "accounts/local/deployments/bench", "base_model": BASE_MODEL,
        "model_directory": str(root / "model"), "jobs_root": str(root / "jobs"), "model_cache": str(root / "cache"),
        "trainer_job": JOB,
    }  # fmt: skip


def _ask(client: httpx.Client, batch: int) -> float:
    def one(number: int) -> None:
        body = {
            "prompt": [(number * 7 + place) % VOCABULARY for place in range(PROMPT_TOKENS)],
            "max_tokens": NEW_TOKENS, "ignore_eos": True, "stream": True, "logprobs": True, "raw_output": True,
        }  # fmt: skip
        with client.stream("POST", "/inference/v1/completions", json=body) as response:
            lines = [line for line in response.iter_lines() if line]
        made = json.loads(lines[-2].removeprefix("data: "))["usage"]["completion_tokens"]
        assert made == NEW_TOKENS and lines[-1] == "data: [DONE]"

    began = time.perf_counter()
    with ThreadPoolExecutor(batch) as pool:
        list(pool.map(one, range(batch)))
    return time.perf_counter() - began


def _load(client: httpx.Client, identity: str) -> float:
    began = time.perf_counter()
    answer = client.post("/hot_load/v1/models/hot_load", json={"identity": identity})
    assert answer.json()["status"] == "loaded", answer.text
    return time.perf_counter() - began
