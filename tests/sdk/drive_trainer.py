"""Drives a running trainer with the official SDK, as a user's own loop would, and prints one JSON line an event.

    export SLIPWAY_TRAINER_TOKEN=...
    python drive_trainer.py train  --base-url http://127.0.0.1:PORT --mode lora --save step-10
    python drive_trainer.py resume --base-url http://127.0.0.1:PORT --mode lora --load cross_job://JOB/step-10

Events: {"event": "step", "step", "loss_per_token", "grad_norm"}, {"event": "refused", "message"} (of calls that are to
be refused), {"event": "evaluated", "loss_per_token"} (a forward pass after the last step, and after loading before the
first), {"event": "saved", "path"}, {"event": "sampler", "path"}, {"event": "loaded", "path"},
{"event": "listed", "checkpoints"}, {"event": "finished", "seconds"}. It imports nothing of this project and runs in an
environment of its own, made from runner/requirements.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from typing import Any

from fireworks.training.sdk import FiretitanServiceClient
from fireworks.training.sdk.types import AdamParams, Datum, ModelInput, TensorData

SEQUENCES, LENGTH, VOCABULARY = 4, 32, 512


def main() -> None:
    arguments = parse_arguments()
    started = time.monotonic()
    service = FiretitanServiceClient(base_url=arguments.base_url, api_key=os.environ["SLIPWAY_TRAINER_TOKEN"])
    rank = arguments.rank if arguments.mode == "lora" else 0
    client = service.create_training_client(base_model=arguments.base_model, lora_rank=rank, seed=1)
    data = make_data()
    if arguments.command == "resume":
        client.load_state_with_optimizer(arguments.load).result()
        emit("loaded", path=arguments.load)
        evaluate(client, data)
    for step in range(1, arguments.steps + 1):
        train_step(client, data, step, arguments.learning_rate)
    send_what_is_refused(client, data)
    evaluate(client, data)
    if arguments.save:
        for _ in range(2):
            emit("saved", path=client.save_state(arguments.save).result().path)
        emit("listed", checkpoints=client.list_checkpoints())
    if arguments.sampler:
        emit("sampler", path=client.save_weights_for_sampler(arguments.sampler).result().path)
    client.unload_model().result()
    emit("finished", seconds=round(time.monotonic() - started, 3))
    sys.stdout.flush()
    os._exit(0)  # native threads of the SDK now and then crash the interpreter as it shuts down, when all is done


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("train", "resume"):
        command = commands.add_parser(name)
        command.add_argument("--base-url", required=True)
        command.add_argument("--mode", choices=["lora", "full"], required=True)
        command.add_argument("--rank", type=int, default=8)
        command.add_argument("--base-model", default="accounts/local/models/tiny-qwen3")
        command.add_argument("--steps", type=int, default=10)
        command.add_argument("--learning-rate", type=float, default=3e-3)
        command.add_argument("--save")
        command.add_argument("--sampler", help="a name to save weights for sampling under")
        if name == "resume":
            command.add_argument("--load", required=True, help="NAME or cross_job://JOB/NAME")
    return parser.parse_args()


def make_data() -> list[Datum]:
    """The same few sequences at every call."""
    source = random.Random(7)
    rows = [[source.randrange(VOCABULARY) for _ in range(LENGTH + 1)] for _ in range(SEQUENCES)]
    return [
        Datum(
            model_input=ModelInput.from_ints(row[:-1]),
            loss_fn_inputs={
                "target_tokens": TensorData(data=row[1:], dtype="int64", shape=[LENGTH]),
                "weights": TensorData(data=[1.0] * LENGTH, dtype="float32", shape=[LENGTH]),
            },
        )
        for row in rows
    ]


def train_step(client: Any, data: list[Datum], step: int, learning_rate: float) -> None:
    passed = client.forward_backward(data, "cross_entropy")
    stepped = client.optim_step(
        AdamParams(learning_rate=learning_rate, grad_clip_norm=1.0), grad_accumulation_normalization="num_loss_tokens"
    )
    loss, metrics = passed.result().metrics["loss:sum"], stepped.result().metrics
    emit("step", step=step, loss_per_token=loss / (SEQUENCES * LENGTH), grad_norm=metrics["grad_norm:mean"])


def send_what_is_refused(client: Any, data: list[Datum]) -> None:
    """One bad call of each kind; whatever is called afterwards on the same client tells whether they cost more."""
    label = Datum(
        model_input=ModelInput.from_ints([1, 2]),
        loss_fn_inputs={"target_tokens": TensorData(data=[1, -5], dtype="int64", shape=[2])},
    )
    for send in (
        lambda: client.forward_backward([label], "cross_entropy"),
        lambda: client.forward_backward(data, "cross_entropy", loss_fn_config={"unheard_of": 1.0}),
        lambda: client.load_state("no-such-checkpoint"),
    ):
        try:
            send().result()
        except Exception as error:
            emit("refused", message=str(error))


def evaluate(client: Any, data: list[Datum]) -> None:
    loss = client.forward(data, "cross_entropy").result().metrics["loss:sum"]
    emit("evaluated", loss_per_token=loss / (SEQUENCES * LENGTH))


def emit(event: str, **values: Any) -> None:
    sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
