"""The recipes as a loop through the SDK, which trains on the same rows in the same order.

Whoever wants this loop gets one file: this one, and before it the modules whose names it uses. So it imports none of
them, and nothing here imports it. It samples nothing; SETTINGS is what the launch was told.
"""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fireworks.training.sdk import FiretitanServiceClient
from fireworks.training.sdk.types import AdamParams, Datum, ModelInput, TensorData
from transformers import AutoTokenizer

CLIP_NORM = 1.0


@dataclass(frozen=True)
class Driver:
    """What the objectives ask, put to the SDK's clients of models."""

    config: Any

    def look(self, operation: str, client: Any, data: list[Datum], **told: float) -> dict[str, Any]:
        """A forward or forward_backward over the data; `told` is put on record."""
        call = getattr(client, operation)
        done = (call(data, "cross_entropy", loss_fn_config=told) if told else call(data, "cross_entropy")).result()
        outputs = [{"logprobs": {"data": each["logprobs"].data}} for each in done.loss_fn_outputs]
        if operation == "forward_backward":
            self.config.loss = told.get("loss", done.metrics["loss:sum"] / max(1.0, done.metrics["loss_tokens:sum"]))
        return {"metrics": done.metrics, "loss_fn_outputs": outputs}


def make_datum(tokens: list[int], weights: list[float]) -> Datum:
    """Inputs are all tokens of a sequence but the last, targets all but the first."""
    length = len(tokens) - 1
    return Datum(
        model_input=ModelInput.from_ints(tokens[:-1]),
        loss_fn_inputs={
            "target_tokens": TensorData(data=tokens[1:], dtype="int64", shape=[length]),
            "weights": TensorData(data=weights, dtype="float32", shape=[length]),
        },
    )


def fetch(path: str) -> bytes:
    """What Slipway answers at the path below /v1."""
    request = urllib.request.Request(  # noqa: S310  # the address is the reader's own
        f"{os.environ['FIREWORKS_BASE_URL'].rstrip('/')}/v1/{path}",
        headers={"X-Api-Key": os.environ["FIREWORKS_API_KEY"]},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return bytes(answer.read())


def fetch_rows(folder: Path, dataset: dict[str, str]) -> Rows:  # noqa: F821
    """The rows of a dataset, checked against its digest."""
    path = folder / dataset["file"]
    path.write_bytes(fetch(f"{dataset['name']}:download"))
    return Rows(path, dataset["sha256"])  # noqa: F821


def fetch_tokenizer(folder: Path, base_model: str) -> Any:
    """The base model's own."""
    directory = folder / "tokenizer"
    directory.mkdir()
    with tarfile.open(fileobj=io.BytesIO(fetch(f"{base_model}/tokenizer")), mode="r:gz") as archive:
        for member in archive:
            if (file := archive.extractfile(member)) is not None:
                (directory / Path(member.name).name).write_bytes(file.read())
    return AutoTokenizer.from_pretrained(directory)


def survey(objective: Any, rows: Any) -> tuple[list[int], list[int]]:
    """The rows that there is something to learn of, and the tokens of all."""
    usable, tokens = [], []
    for row in range(len(rows)):
        found = objective.sequences(rows.read(row), rows.line(row))
        tokens.append(sum(len(sequence.tokens) for sequence in found))
        if all(sequence.is_trained_on for sequence in found):
            usable.append(row)
    return usable, tokens


def main(settings: dict[str, Any]) -> None:
    told, seed, context = settings["parameters"], settings["parameters"]["seed"], settings["context"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = fetch_rows(folder, settings["dataset"])
        apart = fetch_rows(folder, settings["evaluation"]) if settings["evaluation"] else None
        formatter = Formatter(fetch_tokenizer(folder, settings["base_model"]), settings["base_model"], context)  # noqa: F821
        train(settings, told, seed, rows, apart, formatter)


def train(settings: dict[str, Any], told: Any, seed: int, rows: Any, apart: Any, formatter: Any) -> None:
    driver = Driver(SimpleNamespace(recipe=settings["recipe"]))
    judge = make_objective(driver, rows, formatter, told, None)  # noqa: F821
    usable, tokens = survey(judge, rows)
    if apart:
        fit, _ = survey(judge, apart)
        measured = picked(fit, min(MOST_HELD_OUT, len(fit)), seed=seed)  # noqa: F821
        training = usable
    else:
        measured = held_out(usable, percent=told["evaluation_split"], seed=seed)  # noqa: F821
        training = [row for row in usable if row not in set(measured)]
    packs = told.get("packing") == "yes"
    units = pack(training, tokens, limit=settings["context"], seed=seed) if packs else [(row,) for row in training]  # noqa: F821
    most = told["batch_tokens"]
    batches = batches_of(units, tokens, limit=most, seed=seed) if most else ()  # noqa: F821
    order = Order(units, told["batch_rows"], seed, batches)  # noqa: F821
    steps = order.steps_an_epoch * told["epochs"]
    steps = min(steps, told["steps"] or steps)

    rank = settings["lora_rank"]
    service = FiretitanServiceClient.from_firetitan_config(
        base_model=settings["base_model"],
        training_shape_id=settings["shape"],
        # Of a service with a `lora_rank` the adapter is made with the service, which knows no seed.
        max_lora_rank=rank or None,
        create_deployment=False,
        cleanup_trainer_on_close=False,  # which would take what was saved with it
    )
    client = service.create_training_client(lora_rank=rank, seed=seed if rank else None)
    print(f"job {service.trainer_job_id}", flush=True)
    reference = client.create_base_training_client(settings["base_model"]) if settings["recipe"] == "dpo" else None
    objective = make_objective(driver, rows, formatter, told, reference)  # noqa: F821
    measure = make_objective(driver, apart or rows, formatter, told, reference)  # noqa: F821

    def evaluate(step: int) -> None:
        if measured:
            print(f"evaluation {step} {measure.measure(client, measured):.7f}", flush=True)

    evaluate(0)
    for step in range(steps):
        objective.train(client, order.at(step))
        full, schedule = settings["learning_rate"], told["schedule"]
        rate = rate_at(step, steps=steps, full=full, schedule=schedule, warmup=told["warmup"])  # noqa: F821
        adam = AdamParams(learning_rate=rate, grad_clip_norm=CLIP_NORM)
        client.optim_step(adam, grad_accumulation_normalization=objective.normalization).result()
        done = step + 1
        print(f"step {done} {driver.config.loss:.7f}", flush=True)
        saves = done == steps or done % told["save_every"] == 0
        if saves or done % told["evaluation_every"] == 0:
            evaluate(done)
        if saves:
            client.save_weights_for_sampler(f"step-{done}").result()
            client.save_state(f"step-{done}").result()
    service.close()
    print("The trainer ends by itself after its inactivity timeout, or with Cancel; what it saved stays.")
