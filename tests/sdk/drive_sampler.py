"""Drives a running sampler with the official SDK's own clients, and prints one JSON object of what they read.

    export SLIPWAY_TRAINER_TOKEN=...
    python drive_sampler.py BASE_URL DEPLOYMENT BASE_MODEL SNAPSHOT NEXT_SNAPSHOT

It imports nothing of this project and runs in an environment of its own, made from runner/requirements.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import fireworks.training.sdk.client as sdk
import httpx
from fireworks.training.sdk.deployment import DeploymentManager, DeploymentSampler

TOKENS = [5, 6, 7]


def main(url: str, deployment: str, base_model: str, first: str, second: str) -> None:
    token = os.environ["SLIPWAY_TRAINER_TOKEN"]
    manager = DeploymentManager(api_key=token, base_url=url, inference_url=url, hotload_api_url=url)
    _, manager._account_id, _, name = deployment.split("/")
    told: dict[str, Any] = {"warm": manager.warmup(deployment, max_retries=1)}
    told["loaded"] = manager.hotload_and_wait(name, base_model, first)
    delta = {"previous_snapshot_identity": first, "compression_format": "arc_v2", "checksum_format": "alder32"}
    told["delta"] = manager.hotload_and_wait(name, base_model, second, incremental_snapshot_metadata=delta)
    try:
        manager.hotload(name, base_model, "never-saved")
    except httpx.HTTPStatusError as error:
        told["refused"] = error.response.status_code
    told["serving"] = manager.hotload_check_status(name, base_model)["replicas"][0]["current_snapshot_identity"]
    sampler = DeploymentSampler(inference_url=url, model=deployment, api_key=token)
    told |= asyncio.run(sample(sampler))
    client = sdk.FiretitanSamplingClient(DeploymentSampler(inference_url=url, model=deployment, api_key=token))
    asked = sdk.types.SamplingParams(max_tokens=4, temperature=0.8, top_p=0.9, top_k=40)
    answer = client.sample(sdk.types.ModelInput.from_ints(TOKENS), 2, asked, include_prompt_logprobs=True).result()
    told["prompt_logprobs"] = answer.prompt_logprobs
    told["sequences"] = [[each.tokens, each.logprobs, each.stop_reason] for each in answer.sequences]
    client.close()
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    os._exit(0)  # as in drive_trainer.py


async def sample(sampler: DeploymentSampler) -> dict[str, Any]:
    """A group of a rollout, and a teacher's scores with the likeliest tokens at each place."""
    group = await sampler.sample_with_prompt_tokens(
        TOKENS, n=4, max_tokens=6, temperature=1.0, logprobs=True, echo=True, max_seq_len=100, stop=["no such text"]
    )
    scores, metrics = await sampler.async_completions_stream(
        prompt=TOKENS, max_tokens=1, temperature=0.0, logprobs=True, echo=True, raw_output=True, top_logprobs=5
    )
    content = scores["choices"][0]["logprobs"]["content"]
    return {
        "group": [[each.full_tokens, each.inference_logprobs, each.sampling_logprobs] for each in group],
        "teacher": [[row["logprob"], len(row["top_logprobs"])] for row in content],
        "prompt_tokens": metrics.prompt_tokens,
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
