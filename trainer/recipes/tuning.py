"""The runs that train on a dataset: survey it, train on it step by step, measure, sample, save.

What they are and how they go is put on record among the steps: a plan before the first one, and evaluations.
"""

from __future__ import annotations

import logging
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from trainer.config import TrainerConfig
from trainer.operations.parts import Parts
from trainer.recipes.declared import formats_of, read_parameters
from trainer.recipes.driver import Driver
from trainer.recipes.formats import Formatter, format_of
from trainer.recipes.objectives import Objective, make_objective
from trainer.recipes.plan import MOST_HELD_OUT, Order, batches_of, held_out, pack, picked
from trainer.recipes.rows import DatasetError, Rows
from trainer.recipes.samples import Question, Sample, answer_all
from trainer.recipes.schedule import rate_at

log = logging.getLogger(__name__)

TELL_EVERY_S = 10.0

InOrder = Callable[[str, Callable[[], dict[str, Any]]], dict[str, Any]]
"""Runs something between two operations, by a name for the log, and waits for it."""


@dataclass(frozen=True, kw_only=True)
class PlanRecord:
    """What a run will be. Rows count those that can be trained on; tokens are those of the training rows, cut ones cut.

    steps counts those from start_step on; left_out are rows without a token to learn, cut those that were longer than
    the context.
    """

    kind: str = "plan"
    step: int
    steps: int
    steps_an_epoch: int
    rows: int
    held_out: int
    left_out: int
    cut: int
    tokens_an_epoch: int


@dataclass(frozen=True, kw_only=True)
class EvaluationRecord:
    """How good the model is after `step`: the mean loss of the held-out rows, None where there are none; samples."""

    kind: str = "evaluation"
    step: int
    loss: float | None
    samples: list[Sample]
    seconds: float


@dataclass(frozen=True)
class Survey:
    """What all rows come to: those that can be trained on, the tokens of each, and how many were left out or cut."""

    usable: list[int]
    tokens: array[int]
    left_out: int
    cut: int


@dataclass
class Tuning:
    """One run of SFT, DPO or ORPO. `evaluation` are rows that are measured, None where rows of the dataset are."""

    driver: Driver
    parts: Parts
    rows: Rows
    evaluation: Rows | None
    tokenizer: Any
    formatter: Formatter
    parameters: dict[str, Any]
    in_order: InOrder
    held_out: list[int] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)

    @classmethod
    def open(cls, driver: Driver, parts: Parts, model_directory: Path, in_order: InOrder) -> Tuning:
        """Open the dataset and check it against its digest. Raises OperationError, ConfigError."""
        config = driver.config
        assert config.dataset is not None
        parameters = read_parameters(config.recipe, config.parameters)
        rows = Rows(config.dataset, config.dataset_sha256)
        log.info("dataset: %d rows, as asked for", len(rows))
        evaluation = Rows(config.evaluation, config.evaluation_sha256) if config.evaluation else None
        tokenizer = AutoTokenizer.from_pretrained(model_directory, local_files_only=True)
        formatter = Formatter(tokenizer, config.base_model, config.max_context_length)
        return cls(driver, parts, rows, evaluation, tokenizer, formatter, dict(parameters), in_order)

    @property
    def measured(self) -> Rows:
        """Those among which the held-out rows are."""
        return self.evaluation or self.rows

    @property
    def config(self) -> TrainerConfig:
        """Of the launch."""
        return self.driver.config

    def run(self) -> str:
        """Run to the end and return one sentence that says what was done. Raises OperationError."""
        config, driver, told = self.config, self.driver, self.parameters
        judge = make_objective(driver, self.rows, self.formatter, told, None)
        survey = self._survey(judge, self.rows)
        if self.evaluation:
            usable = self._survey(judge, self.evaluation).usable
            self.held_out = picked(usable, min(MOST_HELD_OUT, len(usable)), seed=told["seed"])
        order, steps = self._plan(survey)
        model_id = driver.create_model(seed=told["seed"])
        reference = self._reference() if config.recipe == "dpo" else None
        objective = make_objective(driver, self.rows, self.formatter, told, reference)
        measure = make_objective(driver, self.measured, self.formatter, told, reference)
        first, last = driver.resume(model_id), config.start_step + steps
        if first == config.start_step:
            self._evaluate(measure, model_id, first)
        for step in range(first, last):
            at, done = step - config.start_step, step + 1
            objective.train(model_id, order.at(at))
            rate = rate_at(at, steps=steps, full=driver.learning_rate, schedule=told["schedule"], warmup=told["warmup"])
            driver.step(model_id, rate, objective.normalization)
            saves = done == last or (at + 1) % told["save_every"] == 0
            if saves or (at + 1) % told["evaluation_every"] == 0:
                self._evaluate(measure, model_id, done)
            if saves:
                driver.save("save_weights_for_sampler", model_id, done)
                driver.save("save_weights", model_id, done)  # last: who goes on from it has all that came before
        return f"Recipe {config.recipe} finished at step {last}."

    def _reference(self) -> str:
        """What the launch began with, frozen: the base model, or a copy of the checkpoint or adapter."""
        begins_with_more = self.driver.start is not None or self.config.adapter is not None
        reference = self.driver.create_model(seed=self.parameters["seed"], frozen=not begins_with_more)
        self.driver.load_start(reference)
        return reference

    def _survey(self, objective: Objective, rows: Rows) -> Survey:
        """Look at every row once, so that what is wrong is said before the first step."""
        usable, tokens, cut = [], array("I"), 0
        allowed, told_at = formats_of(self.config.recipe), time.monotonic()
        for row in range(len(rows)):
            content, line = rows.read(row), rows.line(row)
            kind = format_of(content, line)
            if kind not in allowed:
                raise DatasetError(
                    f"Line {line} is of the format {kind}, and recipe {self.config.recipe} trains on "
                    f"{' or '.join(allowed)}. Choose a recipe that fits, or another dataset."
                )
            found = objective.sequences(content, line)
            cut += any(sequence.cut for sequence in found)
            tokens.append(sum(len(sequence.tokens) for sequence in found))
            if all(sequence.is_trained_on for sequence in found):
                usable.append(row)
            if time.monotonic() - told_at > TELL_EVERY_S:
                told_at = time.monotonic()
                log.info("dataset: counted the tokens of %d of %d rows", row + 1, len(rows))
        if not usable:
            raise DatasetError(
                f"No row has a token to learn within the {self.config.max_context_length} tokens of the context. "
                "Choose a shape with a longer context, or shorter rows."
            )
        return Survey(usable, tokens, len(rows) - len(usable), cut)

    def _plan(self, survey: Survey) -> tuple[Order, int]:
        """The order of the rows and the number of steps, which are put on record."""
        told, limit = self.parameters, self.config.max_context_length
        if self.evaluation is None:
            self.held_out = held_out(survey.usable, percent=told["evaluation_split"], seed=told["seed"])
        apart = set(() if self.evaluation else self.held_out)
        train = [row for row in survey.usable if row not in apart]
        packs = told.get("packing") == "yes"
        units = pack(train, survey.tokens, limit=limit, seed=told["seed"]) if packs else [(row,) for row in train]
        most, seed = told["batch_tokens"], told["seed"]
        batches = batches_of(units, survey.tokens, limit=most, seed=seed) if most else ()
        order = Order(units, told["batch_rows"], seed, batches)
        steps = order.steps_an_epoch * told["epochs"]
        steps = min(steps, told["steps"] or steps) + self.config.extra_steps
        self.questions = self._questions(train)
        plan = PlanRecord(
            step=self.config.start_step, steps=steps, steps_an_epoch=order.steps_an_epoch, rows=len(survey.usable),
            held_out=len(self.held_out), left_out=survey.left_out, cut=survey.cut,
            tokens_an_epoch=sum(survey.tokens[row] for row in train),
        )  # fmt: skip
        self.parts.metrics.append(plan)
        log.info(
            "plan: %d steps, %d an epoch; %d rows, %d of them held out, %d left out, %d cut at %d tokens",
            steps, order.steps_an_epoch, plan.rows, plan.held_out, plan.left_out, plan.cut, limit,
        )  # fmt: skip
        return order, steps

    def _questions(self, train: list[int]) -> list[Question]:
        asked = (self.held_out if self.evaluation else [*self.held_out, *train])[: self.parameters["samples"]]
        rows = self.measured
        return [Question(*self.formatter.question(rows.read(row), rows.line(row))) for row in asked]

    def _evaluate(self, objective: Objective, model_id: str, step: int) -> None:
        if not self.held_out and not self.questions:
            return
        started = time.monotonic()
        loss = objective.measure(model_id, self.held_out) if self.held_out else None
        samples = self._samples(model_id) if self.questions else []
        self.parts.metrics.append(
            EvaluationRecord(step=step, loss=loss, samples=samples, seconds=time.monotonic() - started)
        )
        log.info("evaluation at step %d: loss %s", step, "-" if loss is None else f"{loss:.4f}")

    def _samples(self, model_id: str) -> list[Sample]:
        found: list[Sample] = []

        def answer() -> dict[str, Any]:
            most = self.parameters["sample_tokens"]
            found.extend(answer_all(self.parts, model_id, self.questions, self.tokenizer, most_tokens=most))
            return {}

        self.in_order("sample", answer)
        return found
