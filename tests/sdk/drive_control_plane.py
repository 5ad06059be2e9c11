"""Drives Slipway's control plane with the official SDK, as its users do, and prints one JSON line an event.

    export FIREWORKS_API_KEY=... FIREWORKS_BASE_URL=http://127.0.0.1:8000
    python drive_control_plane.py profiles SHAPE...
    python drive_control_plane.py create --job ID --model MODEL [--rank N] [--shape SHAPE]
    python drive_control_plane.py resume|reconnect|get|checkpoints|delete JOB
    python drive_control_plane.py train --job ID --model MODEL --shape SHAPE [--rank N] [--interrupted] [--delete] ...
    python drive_control_plane.py errors --model MODEL --lora-shape SHAPE ...

Without --shape the server chooses one. Events are named after what was called; a refusal is {"event": "refused",
"case", "type", "message"}. It imports nothing of this project and runs in an environment of its own, made from
runner/requirements. A custom loss needs torch: DRIVER_TORCH may name a folder of packages that has it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from collections.abc import Callable
from typing import Any

sys.path.append(os.environ.get("DRIVER_TORCH", ""))  # behind its own packages; the SDK looks for torch on import

from fireworks.training.sdk import FiretitanServiceClient, TrainerJobConfig, TrainerJobManager
from fireworks.training.sdk.types import AdamParams, Datum, ModelInput, TensorData

SEQUENCES, LENGTH, VOCABULARY = 4, 32, 512
POLL_SECONDS = 0.3
BETA = 0.1
"""How strongly the preference loss holds on to the policy that it began with."""


def main() -> None:
    arguments = parse_arguments()
    manager = TrainerJobManager(
        api_key=os.environ["FIREWORKS_API_KEY"], base_url=os.environ["FIREWORKS_BASE_URL"], trainer_gateway_url=None
    )
    arguments.run(arguments, manager)
    emit("finished")
    os._exit(0)  # native threads of the SDK now and then crash the interpreter as it shuts down, when all is done


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)

    profiles = commands.add_parser("profiles")
    profiles.add_argument("shapes", nargs="+", metavar="SHAPE")
    profiles.set_defaults(run=resolve)

    for name, run in {
        "resume": resume,
        "reconnect": reconnect,
        "get": get,
        "checkpoints": list_them,
        "delete": delete,
    }.items():
        command = commands.add_parser(name)
        command.add_argument("job")
        command.set_defaults(run=run)

    for name, run in {"create": create, "train": train}.items():
        command = commands.add_parser(name)
        command.add_argument("--job", required=True)
        command.add_argument("--model", required=True)
        command.add_argument("--shape")
        command.add_argument("--rank", type=int, default=0)
        command.set_defaults(run=run)
    command.add_argument("--steps", type=int, default=10)
    command.add_argument("--preferences", type=int, default=0, help="steps with a loss that is computed here")
    command.add_argument("--learning-rate", type=float, default=3e-3)
    command.add_argument("--save", default="saved")
    command.add_argument("--interrupted", action="store_true", help="wait for a line until the trainer was killed")
    command.add_argument("--delete", action="store_true", help="the SDK deletes the trainer when it is closed")

    errors = commands.add_parser("errors")
    errors.add_argument("--model", required=True)
    errors.add_argument("--lora-shape", required=True)
    errors.add_argument("--full-shape", required=True)
    errors.add_argument("--unvalidated-shape", required=True)
    errors.set_defaults(run=provoke)
    return parser.parse_args()


def resolve(arguments: argparse.Namespace, manager: TrainerJobManager) -> None:
    for shape in arguments.shapes:
        profile = manager.resolve_training_profile(shape)
        emit("profile", **vars(profile), training_shape=profile.training_shape, supports_lora=profile.supports_lora)


def create(arguments: argparse.Namespace, manager: TrainerJobManager) -> None:
    """Create the job and wait for it, twice: the second time its id is taken, and the SDK takes what it finds."""
    for event in ("created", "repeated"):
        endpoint = manager.create_and_wait(config_of(arguments), poll_interval_s=POLL_SECONDS)
        emit(event, **vars(endpoint), seconds=manager.boot_time_s)


def config_of(arguments: argparse.Namespace, **others: Any) -> TrainerJobConfig:
    values: dict[str, Any] = {
        "base_model": arguments.model,
        "lora_rank": arguments.rank,
        "training_shape_ref": arguments.shape,
        "auto_select_training_shape": arguments.shape is None,
        "display_name": f"sdk {arguments.job}",
        "requested_job_id": arguments.job,
    }
    return TrainerJobConfig(**values | others)


def resume(arguments: argparse.Namespace, manager: TrainerJobManager) -> None:
    emit("resumed", **vars(manager.resume_and_wait(arguments.job, poll_interval_s=POLL_SECONDS)))


def reconnect(arguments: argparse.Namespace, manager: TrainerJobManager) -> None:
    emit("reconnected", **vars(manager.reconnect_and_wait(arguments.job, poll_interval_s=POLL_SECONDS)))


def get(arguments: argparse.Namespace, manager: TrainerJobManager) -> None:
    emit("got", job=manager.try_get(arguments.job))


def list_them(arguments: argparse.Namespace, manager: TrainerJobManager) -> None:
    emit("checkpoints", checkpoints=manager.list_checkpoints(arguments.job))


def delete(arguments: argparse.Namespace, manager: TrainerJobManager) -> None:
    manager.delete(arguments.job)
    emit("deleted", job=manager.try_get(arguments.job))


def train(arguments: argparse.Namespace, manager: TrainerJobManager) -> None:
    service, client = connect(arguments)
    emit("connected", job=service.managed_trainer_job_id)
    data = make_data()
    if arguments.preferences:
        # Before all else: the optimizer's moments of another loss would carry these few steps wherever that one led.
        train_on_preferences(client, arguments)
    for _ in range(arguments.steps):
        passed = client.forward_backward(data, "cross_entropy")
        metrics = step(client, arguments.learning_rate)
        emit("step", loss_per_token=per_token(passed), grad_norm=metrics["grad_norm:mean"])
    saved = client.save_state(arguments.save).result().path
    emit("saved", path=saved, loss_per_token=loss_of(client, data), listed=client.list_checkpoints())
    client.forward_backward(data, "cross_entropy").result()
    step(client, 10 * arguments.learning_rate)
    emit("moved", loss_per_token=loss_of(client, data))
    load(client, data, arguments)
    if arguments.interrupted:
        service, client = go_on_after_the_kill(client, data, arguments, manager)
    service.close()
    emit("closed", job=manager.try_get(arguments.job))


def connect(arguments: argparse.Namespace) -> tuple[FiretitanServiceClient, Any]:
    """The job's trainer, which is created where there is none."""
    service = FiretitanServiceClient.from_firetitan_config(
        base_model=arguments.model,
        lora_rank=arguments.rank,
        training_shape_id=arguments.shape,
        trainer_job_id=arguments.job,
        create_deployment=False,
        cleanup_trainer_on_close=arguments.delete,
        display_name=f"sdk {arguments.job}",
    )
    return service, service.create_training_client(lora_rank=arguments.rank)


def load(client: Any, data: list[Datum], arguments: argparse.Namespace) -> None:
    client.load_state_with_optimizer(arguments.save).result()
    emit("loaded", loss_per_token=loss_of(client, data))


def go_on_after_the_kill(
    client: Any, data: list[Datum], arguments: argparse.Namespace, manager: TrainerJobManager
) -> tuple[FiretitanServiceClient, Any]:
    """What a loop does whose trainer dies under it: see it fail, reconnect, load what was saved, and train on."""
    emit("waiting")
    sys.stdin.readline()
    attempt("step on a killed trainer", lambda: loss_of(client, data))
    emit("reconnected", **vars(manager.reconnect_and_wait(arguments.job, poll_interval_s=POLL_SECONDS)))
    service, client = connect(arguments)
    load(client, data, arguments)
    for _ in range(arguments.steps):
        client.forward_backward(data, "cross_entropy")
        step(client, arguments.learning_rate)
    emit("went on", loss_per_token=loss_of(client, data))
    return service, client


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


def step(client: Any, learning_rate: float) -> Any:
    parameters = AdamParams(learning_rate=learning_rate, grad_clip_norm=1.0)
    return client.optim_step(parameters, grad_accumulation_normalization="num_loss_tokens").result().metrics


def loss_of(client: Any, data: list[Datum]) -> float:
    return per_token(client.forward(data, "cross_entropy"))


def per_token(future: Any) -> float:
    loss: float = future.result().metrics["loss:sum"]
    return loss / (SEQUENCES * LENGTH)


def train_on_preferences(client: Any, arguments: argparse.Namespace) -> None:
    """Direct preference optimisation of the first of each two sequences, with the policy itself as the reference."""
    import torch

    data = [Datum(datum.model_input, {"target_tokens": datum.loss_fn_inputs["target_tokens"]}) for datum in make_data()]
    outputs = client.forward(data, "cross_entropy").result().loss_fn_outputs
    reference = [sum(output["logprobs"].data) for output in outputs]

    def preference_loss(_: list[Datum], logprobs: list[Any]) -> tuple[Any, dict[str, float]]:
        gained = [logprob.sum() - start for logprob, start in zip(logprobs, reference, strict=True)]
        margins = torch.stack([BETA * (gained[i] - gained[i + 1]) for i in range(0, len(gained), 2)])
        loss = -torch.nn.functional.logsigmoid(margins).mean()
        return loss, {"preference_loss": loss.item(), "margin": margins.mean().item()}

    for _ in range(arguments.preferences):
        passed = client.forward_backward_custom(data, preference_loss).result()
        step(client, arguments.learning_rate / 10)
        emit("preference", loss=passed.metrics["preference_loss"], margin=passed.metrics["margin"])


def provoke(arguments: argparse.Namespace, manager: TrainerJobManager) -> None:
    """Ask for what is refused, and print how the SDK words it."""
    lora, full = arguments.lora_shape, arguments.full_shape
    wrong = TrainerJobManager(api_key="slpw_wrong", base_url=manager.base_url)

    def job(shape: str | None, **others: Any) -> Callable[[], object]:
        wanted = argparse.Namespace(model=arguments.model, rank=0, shape=shape, job="sdk-refused")
        return lambda: manager.create(config_of(wanted, **others))

    cases: dict[str, Callable[[], object]] = {
        "unknown shape": lambda: manager.resolve_training_profile(f"{lora}-nope"),
        "unknown version": lambda: manager.resolve_training_profile(f"{lora}/versions/zzzzzzzz"),
        "unvalidated shape": lambda: manager.resolve_training_profile(arguments.unvalidated_shape),
        "job of an unknown shape": job(f"{lora}-nope"),
        "job of an unvalidated shape": job(arguments.unvalidated_shape),
        "wrong key": lambda: wrong.resolve_training_profile(lora),
        "owned field": job(full, accelerator_type="NVIDIA_B200_180GB"),
        "owned field, sent with a shape": job(full, custom_image_tag="0.0.0"),
        "owned field, by hand": job(None, auto_select_training_shape=False, accelerator_type="NVIDIA_B200_180GB"),
        "rank of a policy shape": job(full, lora_rank=8),
        "no such shape to choose": job(None, max_context_length=1_000_000),
        "another model": job(full, base_model="accounts/fireworks/models/qwen3-8b"),
        "learning rate": job(full, learning_rate=7.0),
        "checkpoints of no job": lambda: manager.list_checkpoints("nope"),
        "no job": lambda: manager.get("nope"),
    }
    for case, call in cases.items():
        attempt(case, call)


def attempt(case: str, call: Callable[[], object]) -> None:
    """Print how the call is refused."""
    try:
        answer = call()
    except Exception as error:  # whatever the SDK raises is what its users see
        emit("refused", case=case, type=type(error).__name__, message=str(error))
    else:
        emit("accepted", case=case, answer=repr(answer))


def emit(event: str, **values: Any) -> None:
    sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
