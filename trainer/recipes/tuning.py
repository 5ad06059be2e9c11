"""The runs that train on a dataset: survey it, train on it step by step, measure, sample, save.

What they are and how they go is put on record among the steps: a plan before the first one, and evaluations.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from trainer.config import LORA, TrainerConfig
from trainer.errors import ConfigError
from trainer.operations.parts import Parts
from trainer.operations.sample import SampleRequest
from trainer.recipes.course import Course, Surveyor, in_words, make_course, plan_record
from trainer.recipes.declared import ADAPTED, ATTENTION, formats_of, read_parameters
from trainer.recipes.driver import Driver
from trainer.recipes.formats import Formatter
from trainer.recipes.objectives import Objective, make_objective
from trainer.recipes.records import EvaluationRecord
from trainer.recipes.rows import Rows
from trainer.recipes.samples import Question, Sample, answer_all
from trainer.recipes.schedule import rate_at

log = logging.getLogger(__name__)

RunSample = Callable[[SampleRequest], dict[str, Any]]
"""Runs that between two operations, and waits for it."""


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
    sample: RunSample
    held_out: list[int] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)

    @classmethod
    def open(cls, driver: Driver, parts: Parts, model_directory: Path, sample: RunSample) -> Tuning:
        """Open the dataset and check it against its digest. Raises OperationError, ConfigError."""
        config = driver.config
        assert config.dataset is not None
        parameters = read_parameters(config.recipe, config.parameters)
        if config.trainer_mode == LORA and parts.host.facts.experts and parameters[ADAPTED] != ATTENTION:
            raise ConfigError(
                "The base model is a mixture of experts, which are no linear layers, and LoRA adapts these alone. Set "
                "the recipe's parameter adapted to attention, or launch a shape that trains all parameters."
            )
        rows = Rows(config.dataset, config.dataset_sha256)
        log.info("dataset: %d rows, as asked for", len(rows))
        evaluation = Rows(config.evaluation, config.evaluation_sha256) if config.evaluation else None
        tokenizer = AutoTokenizer.from_pretrained(model_directory, local_files_only=True)
        formatter = Formatter(tokenizer, config.base_model, config.max_context_length)
        return cls(driver, parts, rows, evaluation, tokenizer, formatter, dict(parameters), sample)

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
        course = self._course()
        order, steps, self.held_out = course.order, course.steps, course.measured
        self.questions = self._questions(course.training)
        model_id = driver.create_model(seed=told["seed"], adapts_mlps=told[ADAPTED] != ATTENTION)
        reference = self._reference() if config.recipe == "dpo" else None
        objective, measure = (
            make_objective(config.recipe, driver, rows, self.formatter, told, reference)
            for rows in (self.rows, self.measured)
        )
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
        adapts_mlps = self.parameters[ADAPTED] != ATTENTION
        reference = self.driver.create_model(
            seed=self.parameters["seed"], frozen=not begins_with_more, adapts_mlps=adapts_mlps
        )
        self.driver.load_start(reference)
        return reference

    def _course(self) -> Course:
        """What the run will be, which is put on record."""
        config, told = self.config, self.parameters
        judge = make_objective(config.recipe, self.driver, self.rows, self.formatter, told)
        context = config.max_context_length
        surveyor = Surveyor(config.recipe, formats_of(config.recipe), context, judge.sequences, log.info)
        survey = surveyor.survey(self.rows)
        apart = surveyor.survey(self.evaluation) if self.evaluation else None
        course = make_course(survey, told, context=context, apart=apart, extra_steps=config.extra_steps)
        plan = plan_record(course, survey, start_step=config.start_step)
        self.parts.metrics.append(plan)
        log.info(in_words(plan, context))
        return course

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
        most = self.parameters["sample_tokens"]
        return answer_all(self.sample, model_id, self.questions, self.tokenizer, most_tokens=most)
