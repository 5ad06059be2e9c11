"""Code that uses this Slipway from elsewhere, ready to paste. Pure.

Signatures as of fireworks-ai 1.2.30 (`fireworks.training.sdk`) and the public cookbook's `training.recipes`.
"""

from __future__ import annotations

from dataclasses import dataclass

from catalog.usage import Snippet
from launches.connection import INSTALL
from wire.names import account_name

KEY_VARIABLE = "FIREWORKS_API_KEY"
URL_VARIABLE = "FIREWORKS_BASE_URL"


@dataclass(frozen=True)
class Example:
    """What the code trains, and where: names of account, shape and base model, and the address of this Slipway."""

    account_id: str
    shape: str
    base_model: str
    lora_rank: int
    base_url: str


def quickstart(example: Example) -> tuple[Snippet, ...]:
    """Environment variables, a whole run with the SDK, the same jobs by curl, and a recipe of the cookbook."""
    return (
        Snippet("environment", "Environment", "Paste the key between the quotes.", _environment(example)),
        Snippet(
            "sdk",
            "Python SDK",
            "Resolves the shape, creates a trainer and waits for it, trains three steps through it, and deletes it, "
            "also where something fails on the way.",
            _sdk(example),
        ),
        Snippet(
            "curl", "curl", "Lists the shapes; creates a trainer job, shows it and deletes it again.", _curl(example)
        ),
        Snippet(
            "cookbook",
            "Cookbook recipe",
            f"For a clone of the public cookbook; it reads {URL_VARIABLE}, too. data.jsonl has a conversation a line, "
            'as {"messages": [...]}; name the tokenizer of the base model.',
            _cookbook(example),
        ),
    )


def _environment(example: Example) -> str:
    return f"{INSTALL}\nexport {URL_VARIABLE}='{example.base_url}'\nexport {KEY_VARIABLE}=''"


def _sdk(example: Example) -> str:
    return f"""import os

from fireworks.training.sdk import FiretitanServiceClient, TrainerJobConfig, TrainerJobManager
from fireworks.training.sdk.types import AdamParams, Datum, ModelInput, TensorData

BASE_URL = "{example.base_url}"
SHAPE = "{example.shape}"
MODEL = "{example.base_model}"
LORA_RANK = {example.lora_rank}

manager = TrainerJobManager(api_key=os.environ["{KEY_VARIABLE}"], base_url=BASE_URL)
profile = manager.resolve_training_profile(SHAPE)
print(profile.training_shape_version, profile.max_supported_context_length)

tokens = list(range(1, 34))
datum = Datum(
    model_input=ModelInput.from_ints(tokens[:-1]),
    loss_fn_inputs={{
        "target_tokens": TensorData(data=tokens[1:], dtype="int64", shape=[32]),
        "weights": TensorData(data=[1.0] * 32, dtype="float32", shape=[32]),
    }},
)

job = manager.create(
    TrainerJobConfig(base_model=MODEL, lora_rank=LORA_RANK, training_shape_ref=profile.training_shape)
)
print(job.job_name)
try:
    manager.wait_for_ready(job.job_id)
    service = FiretitanServiceClient.from_firetitan_config(
        base_url=BASE_URL,
        base_model=MODEL,
        lora_rank=LORA_RANK,
        training_shape_id=SHAPE,
        trainer_job_id=job.job_id,
        create_deployment=False,
    )
    client = service.create_training_client(lora_rank=LORA_RANK)
    for step in range(1, 4):
        passed = client.forward_backward([datum], "cross_entropy").result()
        client.optim_step(AdamParams(learning_rate=1e-3)).result()
        print(step, passed.metrics["loss:sum"] / 32)
    service.close()
finally:
    manager.delete(job.job_id)
"""


def _curl(example: Example) -> str:
    jobs = f"{example.base_url}/v1/{account_name(example.account_id)}/rlorTrainerJobs"
    shapes = f"{example.base_url}/v1/{example.shape.rpartition('/')[0]}"
    key = f'-H "X-Api-Key: ${KEY_VARIABLE}"'
    body = f'{{"trainingConfig": {{"baseModel": "{example.base_model}", "loraRank": {example.lora_rank}}}}}'
    return f"""JOB="from-curl-$(date +%s)"

curl --fail-with-body -sS {key} \\
  '{shapes}?pageSize=5'

curl --fail-with-body -sS {key} -H 'Content-Type: application/json' \\
  -X POST "{jobs}?rlorTrainerJobId=$JOB&trainingShape={example.shape}" \\
  -d '{body}'

curl --fail-with-body -sS {key} "{jobs}/$JOB"

curl --fail-with-body -sS {key} -X DELETE "{jobs}/$JOB"
"""


def _cookbook(example: Example) -> str:
    return f"""from training.recipes.sft_loop import Config, main
from training.utils import TrainerConfig

main(
    Config(
        log_path="./logs",
        base_model="{example.base_model}",
        dataset="./data.jsonl",
        tokenizer_model="",  # fill in the base model's own: ids beyond its vocabulary are refused
        lora_rank={example.lora_rank},
        learning_rate=1e-4,
        epochs=1,
        batch_size=4,
        trainer=TrainerConfig(training_shape_id="{example.shape}"),
    )
)
"""
