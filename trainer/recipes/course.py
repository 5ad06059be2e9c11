"""What a run will be before it begins: its rows are looked at once, and then it is known which step trains on which.

Pure, but for reading the rows.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainer.recipes.formats import Row, Sequenced, format_of
from trainer.recipes.plan import MOST_HELD_OUT, Order, batches_of, held_out, pack, picked
from trainer.recipes.records import PlanRecord
from trainer.recipes.rows import DatasetError, Rows

TELL_EVERY_S = 10.0


@dataclass(frozen=True)
class Survey:
    """What all rows come to: those that can be trained on, the tokens of each, and how many were left out or cut."""

    usable: list[int]
    tokens: array[int]
    left_out: int
    cut: int


@dataclass(frozen=True)
class Course:
    """Which rows each step trains on, how many steps there are, and which rows are measured."""

    order: Order
    steps: int
    training: list[int]
    measured: list[int]


@dataclass(frozen=True)
class Surveyor:
    """Looks at rows for a recipe that trains on `formats`; `context` is how many tokens a sequence has at most."""

    recipe: str
    formats: Sequence[str]
    context: int
    sequences: Callable[[Row, int], Sequence[Sequenced]]
    tell: Callable[[str], object]

    def survey(self, rows: Rows) -> Survey:
        """Look at every row once, so that what is wrong is said before the first step. Raises DatasetError."""
        usable, tokens, cut = [], array("I"), 0
        told_at = time.monotonic()
        for row in range(len(rows)):
            content, line = rows.read(row), rows.line(row)
            kind = format_of(content, line)
            if kind not in self.formats:
                raise DatasetError(
                    f"Line {line} is of the format {kind}, and recipe {self.recipe} trains on "
                    f"{' or '.join(self.formats)}. Choose a recipe that fits, or another dataset."
                )
            found = self.sequences(content, line)
            cut += any(sequence.cut for sequence in found)
            tokens.append(sum(len(sequence.tokens) for sequence in found))
            if all(sequence.is_trained_on for sequence in found):
                usable.append(row)
            if time.monotonic() - told_at > TELL_EVERY_S:
                told_at = time.monotonic()
                self.tell(f"dataset: counted the tokens of {row + 1} of {len(rows)} rows")
        if not usable:
            raise DatasetError(
                f"No row has a token to learn within the {self.context} tokens of the context. "
                "Choose a shape with a longer context, or shorter rows."
            )
        return Survey(usable, tokens, len(rows) - len(usable), cut)


def make_course(
    survey: Survey, told: Mapping[str, Any], *, context: int, apart: Survey | None = None, extra_steps: int = 0
) -> Course:
    """By the parameters of the recipe; `apart` are rows of another dataset, which are measured in place of its own."""
    seed = told["seed"]
    if apart is not None:
        measured, training = picked(apart.usable, min(MOST_HELD_OUT, len(apart.usable)), seed=seed), survey.usable
    else:
        measured = held_out(survey.usable, percent=told["evaluation_split"], seed=seed)
        kept = set(measured)
        training = [row for row in survey.usable if row not in kept]
    packs, most = told.get("packing") == "yes", told["batch_tokens"]
    units = pack(training, survey.tokens, limit=context, seed=seed) if packs else [(row,) for row in training]
    batches = batches_of(units, survey.tokens, limit=most, seed=seed) if most else ()
    order = Order(units, told["batch_rows"], seed, batches)
    steps = order.steps_an_epoch * told["epochs"]
    return Course(order, min(steps, told["steps"] or steps) + extra_steps, training, measured)


def plan_record(course: Course, survey: Survey, *, start_step: int = 0) -> PlanRecord:
    """The course, to be put on record."""
    return PlanRecord(
        step=start_step, steps=course.steps, steps_an_epoch=course.order.steps_an_epoch, rows=len(survey.usable),
        held_out=len(course.measured), left_out=survey.left_out, cut=survey.cut,
        tokens_an_epoch=sum(survey.tokens[row] for row in course.training),
    )  # fmt: skip


def in_words(plan: PlanRecord, context: int) -> str:
    """For a log."""
    return (
        f"plan: {plan.steps} steps, {plan.steps_an_epoch} an epoch; {plan.rows} rows, {plan.held_out} of them held "
        f"out, {plan.left_out} left out, {plan.cut} cut at {context} tokens"
    )
