"""The recipes as a loop through the SDK, which trains on the same rows in the same order as the trainer's own.

It is one file with the modules that it stands on before it: what a launch's page links, and what drives a trainer that
is not ours. SETTINGS is what the launch was told; with `job` it drives the trainer of that job, with `files` datasets
are there already, and with `goes_on` it begins at a checkpoint of that job. It samples nothing.

COOKBOOK_STATUS_FILE, COOKBOOK_METADATA_FILE and COOKBOOK_METRICS_FILE may name files for what it does; the last one is
numbered as a trainer's own records are.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fireworks.training.sdk import FiretitanServiceClient
from fireworks.training.sdk.types import AdamParams, ModelInput, TensorData
from fireworks.training.sdk.types import Datum as SdkDatum
from transformers import AutoTokenizer

from trainer.errors import OperationError
from trainer.metrics import MetricsLog, StepRecord
from trainer.recipes.course import Course, Survey, Surveyor, in_words, make_course, plan_record
from trainer.recipes.datum import Datum
from trainer.recipes.formats import Formatter
from trainer.recipes.objectives import Objective, make_objective
from trainer.recipes.records import EvaluationRecord
from trainer.recipes.rows import Rows
from trainer.recipes.schedule import LEARNING_RATE, rate_at

CLIP_NORM = 1.0
FAILED_PRECONDITION = 9
SECONDS = 60
"""Of silence, after which a download has failed."""


@dataclass
class SdkDriver:
    """What the objectives ask, put to the SDK's clients of models; `pass_` is of the newest forward_backward.

    `tells` says that the trainer is Slipway's own, which puts a loss that it is told on record.
    """

    tells: bool
    pass_: dict[str, Any] = field(default_factory=dict)

    def look(self, operation: str, model_id: Any, data: list[Datum], **told: float) -> dict[str, Any]:
        """A forward or forward_backward over the data. Losses are added up here, for not every trainer tells both."""
        call = getattr(model_id, operation)
        sent, started = [as_sent(datum) for datum in data], time.monotonic()
        more = {"loss_fn_config": told} if told and self.tells else {}
        outputs = [{"logprobs": {"data": each["logprobs"].data}} for each in self._answer(call, sent, more)]
        loss = tokens = 0.0
        for datum, output in zip(data, outputs, strict=True):
            weights = datum["loss_fn_inputs"]["weights"]["data"]
            loss -= sum(weight * found for weight, found in zip(weights, output["logprobs"]["data"], strict=True))
            tokens += sum(weight != 0 for weight in weights)
        if operation == "forward_backward":
            lengths = [len(datum["loss_fn_inputs"]["weights"]["data"]) for datum in data]
            self.pass_ = {
                "loss_per_token": told.get("loss", loss / max(1.0, tokens)),
                "reward": told.get("reward"),
                "tokens": sum(lengths),
                "longest_context": max(lengths),
                "seconds": time.monotonic() - started,
            }
        return {"metrics": {"loss:sum": loss, "loss_tokens:sum": tokens}, "loss_fn_outputs": outputs}

    def _answer(self, call: Any, data: list[Any], more: dict[str, Any]) -> Any:
        return call(data, "cross_entropy", **more).result().loss_fn_outputs


def as_sent(datum: Datum) -> SdkDatum:
    """As the SDK has it."""
    (chunk,) = datum["model_input"]["chunks"]
    inputs = {name: TensorData(**tensor) for name, tensor in datum["loss_fn_inputs"].items()}
    return SdkDatum(model_input=ModelInput.from_ints(chunk["tokens"]), loss_fn_inputs=inputs)


@dataclass
class Teller:
    """Says what is done: a line for who runs this, and what the three files are for, where somebody named them."""

    steps: int = 0
    tokens: int = 0
    metrics: MetricsLog | None = None

    @classmethod
    def open(cls) -> Teller:
        """By the environment."""
        named = os.environ.get("COOKBOOK_METRICS_FILE")
        return cls(metrics=MetricsLog(Path(named)) if named else None)

    def put(self, record: Any) -> None:
        """On record."""
        if self.metrics:
            self.metrics.append(record)

    def say(self, message: str, *, done: int = 0, code: int = 0) -> None:
        """How far it is."""
        percent = 100 * done // self.steps if self.steps else 0
        progress = {"@type": "type.googleapis.com/gateway.JobProgress", "percent": percent}
        self._write("COOKBOOK_STATUS_FILE", {"code": code, "message": message, "details": [progress]})
        self._write("COOKBOOK_METADATA_FILE", {"metadata": {"tokens": self.tokens}})

    def _write(self, variable: str, content: dict[str, Any]) -> None:
        if path := os.environ.get(variable):
            part = Path(f"{path}.part")
            part.write_text(json.dumps(content), encoding="utf-8")
            part.replace(path)


def fetch(path: str) -> bytes:
    """What Slipway answers at the path below /v1."""
    request = urllib.request.Request(  # noqa: S310  # the address is the reader's own
        f"{os.environ['FIREWORKS_BASE_URL'].rstrip('/')}/v1/{path}",
        headers={"X-Api-Key": os.environ["FIREWORKS_API_KEY"]},
    )
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
        return bytes(answer.read())


def open_rows(folder: Path, settings: dict[str, Any], name: str) -> Rows | None:
    """The rows of a dataset of the settings, checked against its digest; None where there is none."""
    dataset = settings[name]
    if dataset is None:
        return None
    path = Path(settings.get("files", {}).get(name, folder / name))
    if not path.exists():
        path.write_bytes(fetch(f"{dataset['name']}:download"))
    return Rows(path, dataset["sha256"])


def fetch_tokenizer(folder: Path, base_model: str) -> Any:
    """The base model's own."""
    directory = folder / "tokenizer"
    directory.mkdir()
    with tarfile.open(fileobj=io.BytesIO(fetch(f"{base_model}/tokenizer")), mode="r:gz") as archive:
        for member in archive:
            if (file := archive.extractfile(member)) is not None:
                (directory / Path(member.name).name).write_bytes(file.read())
    return AutoTokenizer.from_pretrained(directory)


def main(settings: dict[str, Any]) -> None:
    """Run it. Ends with SystemExit in words where the dataset cannot be trained on."""
    teller = Teller.open()
    with tempfile.TemporaryDirectory() as name:
        try:
            Loop.open(Path(name), settings, teller).run()
        except OperationError as error:
            teller.say(error.detail, code=FAILED_PRECONDITION)
            raise SystemExit(error.detail) from None


@dataclass
class Loop:
    """One run of SFT, DPO or ORPO; `apart` are rows that are measured, None where rows of the dataset are."""

    settings: dict[str, Any]
    teller: Teller
    driver: SdkDriver
    rows: Rows
    apart: Rows | None
    formatter: Formatter
    survey: Survey
    course: Course

    @classmethod
    def open(cls, folder: Path, settings: dict[str, Any], teller: Teller) -> Loop:
        """Look at every row. Raises OperationError."""
        told, context, recipe = settings["parameters"], settings["context"], settings["recipe"]
        rows, apart = open_rows(folder, settings, "dataset"), open_rows(folder, settings, "evaluation")
        assert rows is not None
        formatter = Formatter(fetch_tokenizer(folder, settings["base_model"]), settings["base_model"], context)
        driver = SdkDriver(tells="job" not in settings)
        judge = make_objective(recipe, driver, rows, formatter, told)
        surveyor = Surveyor(recipe, settings["formats"], context, judge.sequences, print)
        survey = surveyor.survey(rows)
        course = make_course(survey, told, context=context, apart=surveyor.survey(apart) if apart else None)
        return cls(settings, teller, driver, rows, apart, formatter, survey, course)

    def run(self) -> None:
        """From the first step, or from the one after the checkpoint, to the last."""
        settings, told, course, teller = self.settings, self.settings["parameters"], self.course, self.teller
        plan = plan_record(course, self.survey)
        teller.steps = course.steps
        teller.put(plan)
        print(in_words(plan, settings["context"]), flush=True)
        service = self._service()
        rank, seed = settings["lora_rank"], told["seed"]
        adapts_mlps = not rank or told.get("adapted") != "attention"
        client = service.create_training_client(lora_rank=rank, seed=seed if rank else None, train_mlp=adapts_mlps)
        print(f"job {service.trainer_job_id}", flush=True)
        reference = client.create_base_training_client(settings["base_model"]) if settings["recipe"] == "dpo" else None
        objective, measure = (
            make_objective(settings["recipe"], self.driver, rows, self.formatter, told, reference)
            for rows in (self.rows, self.apart or self.rows)
        )
        first = self._first(client)
        if first == 0:
            self._evaluate(measure, client, 0)
        for step in range(first, course.steps):
            objective.train(client, course.order.at(step))
            self._step(client, step, objective.normalization)
            done = step + 1
            saves = done == course.steps or done % told["save_every"] == 0
            if saves or done % told["evaluation_every"] == 0:
                self._evaluate(measure, client, done)
            if saves:
                client.save_weights_for_sampler(f"step-{done}").result()
                client.save_state(f"step-{done}").result()  # last: who goes on from it has all that came before
        service.close()
        if "job" not in settings:
            print("Done. What was saved stays; the trainer ends by its inactivity timeout, or with Cancel.", flush=True)

    def _service(self) -> Any:
        """Of a trainer of its own, or of the job's. Of a service with a `lora_rank` the adapter is made with it, and
        knows no seed."""
        job = self.settings.get("job")
        return FiretitanServiceClient.from_firetitan_config(
            base_model=self.settings["base_model"],
            training_shape_id=self.settings["shape"],
            max_lora_rank=self.settings["lora_rank"] or None,
            create_deployment=False,
            cleanup_trainer_on_close=False,  # which would take what was saved with it
            **({"trainer_job_id": job} if job else {}),
        )

    def _first(self, client: Any) -> int:
        """How many steps were done before: those up to the checkpoint that it goes on from."""
        goes_on = self.settings.get("goes_on")
        if not goes_on:
            return 0
        client.load_state_with_optimizer(goes_on["checkpoint"]).result()
        print(f"goes on from {goes_on['checkpoint']}", flush=True)
        return int(goes_on["step"])

    def _step(self, client: Any, step: int, normalization: str) -> None:
        told, started = self.settings["parameters"], time.monotonic()
        full = self.settings["learning_rate"] or LEARNING_RATE
        rate = rate_at(step, steps=self.course.steps, full=full, schedule=told["schedule"], warmup=told["warmup"])
        adam = AdamParams(learning_rate=rate, grad_clip_norm=CLIP_NORM)
        answer = client.optim_step(adam, grad_accumulation_normalization=normalization).result()
        seen = self.driver.pass_
        norm = (answer.metrics or {}).get("grad_norm:mean")
        seen["seconds"] += time.monotonic() - started
        self.teller.tokens += seen["tokens"]
        self.teller.put(StepRecord(step=step + 1, learning_rate=rate, grad_norm=norm, peak_memory_bytes=None, **seen))
        self.teller.say(f"step {step + 1} of {self.course.steps}", done=step + 1)
        print(f"step {step + 1} {seen['loss_per_token']:.7f}", flush=True)

    def _evaluate(self, measure: Objective, client: Any, step: int) -> None:
        if self.course.measured:
            started = time.monotonic()
            loss = measure.measure(client, self.course.measured)
            seconds = time.monotonic() - started
            self.teller.put(EvaluationRecord(step=step, loss=loss, samples=(), seconds=seconds))
            print(f"evaluation {step} {loss:.7f}", flush=True)
