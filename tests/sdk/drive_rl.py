# ruff: noqa: T201
"""A small loop of reinforcement learning with the official SDK, as its recipes make theirs; a JSON line an event.

    export FIREWORKS_API_KEY=... FIREWORKS_BASE_URL=http://127.0.0.1:8000
    python drive_rl.py MODEL SHAPE STEPS

The service makes trainer and sampler, with the deployment shape that the training shape links. A token is worth 1 where
its id is below 256. In the end it waits for a line: `close` ends what it started, as recipes do; without one it dies.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from typing import Any

from fireworks.training.sdk import FiretitanServiceClient
from fireworks.training.sdk.types import AdamParams, Datum, ModelInput, TensorData

PROMPT, GROUP, LENGTH = [5, 6, 7, 8], 32, 12


def main(model: str, shape: str, steps: str) -> None:
    random.seed(0)
    service = FiretitanServiceClient.from_firetitan_config(
        api_key=os.environ["FIREWORKS_API_KEY"],
        base_url=os.environ["FIREWORKS_BASE_URL"],
        base_model=model,
        training_shape_id=shape,
        lora_rank=8,
        cleanup_trainer_on_close=True,
        cleanup_deployment_on_close="scale_to_zero",
    )
    client = service.create_training_client(model, lora_rank=8)
    emit("ready", job=service.trainer_job_id, deployment=service.deployment_id)
    sampler = service.create_deployment_sampler()
    for step in range(1, int(steps) + 1):
        group = asyncio.run(
            sampler.sample_with_prompt_tokens(
                PROMPT, n=GROUP, max_tokens=LENGTH, temperature=1.0, logprobs=True, max_seq_len=64, seed=step
            )
        )
        rewards = [sum(token < 256 for token in each.full_tokens[len(PROMPT) :]) / LENGTH for each in group]
        mean = sum(rewards) / GROUP
        data = [datum(each, reward - mean) for each, reward in zip(group, rewards, strict=True)]
        told = {"reward": mean, "ratio_log_cap": 20.0}
        client.forward_backward(data, "importance_sampling", loss_fn_config=told).result()
        client.optim_step(AdamParams(learning_rate=1e-2)).result()
        saved = client.save_weights_for_sampler(f"step-{step}").result()
        service.hotload_sampler_snapshot(saved.path)
        emit("step", reward=mean, identity=saved.path)
    emit("trained")
    if sys.stdin.readline().strip() == "close":
        service.close()
        emit("closed")
    os._exit(0)  # as in drive_trainer.py


def datum(sampled: Any, advantage: float) -> Datum:
    """Of each token of the answer, what it was drawn with; those of the prompt count for nothing."""
    tokens = list(sampled.full_tokens)
    made = len(tokens) - len(PROMPT)
    before = [0.0] * (len(PROMPT) - 1)
    drawn = before + [float(value) for value in sampled.sampling_logprobs[-made:]]
    return Datum(
        model_input=ModelInput.from_ints(tokens[:-1]),
        loss_fn_inputs={
            "target_tokens": TensorData(data=tokens[1:], dtype="int64", shape=[len(tokens) - 1]),
            "logprobs": TensorData(data=drawn, dtype="float32", shape=[len(drawn)]),
            "advantages": TensorData(data=before + [advantage] * made, dtype="float32", shape=[len(drawn)]),
        },
    )


def emit(event: str, **facts: Any) -> None:
    print(json.dumps({"event": event, **facts}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
