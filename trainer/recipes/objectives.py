"""What a step of each recipe is: its rows as data, and the losses of them with gradients or without."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from trainer.errors import OperationError
from trainer.recipes.datum import Datum, make_datum
from trainer.recipes.formats import Formatter, Row, Sequenced
from trainer.recipes.plan import Unit
from trainer.recipes.preferences import dpo_loss, orpo_loss
from trainer.recipes.rows import Rows

ROWS_AT_ONCE = 16
"""Of those that are measured."""


class Looks(Protocol):
    """What computes losses; a model is whatever it takes for one."""

    def look(self, operation: str, model_id: Any, data: list[Datum], **told: float) -> dict[str, Any]:
        """A forward or forward_backward over the data; `told` is put on record."""


class Objective(Protocol):
    """`normalization` is how gradients are divided before a step."""

    normalization: str

    def sequences(self, row: Row, line: int) -> Sequence[Sequenced]:
        """What the row of that line becomes. Raises DatasetError."""

    def train(self, model_id: Any, units: Sequence[Unit]) -> None:
        """Add the gradients of the units up."""

    def measure(self, model_id: Any, rows: Sequence[int]) -> float:
        """The mean loss of the rows."""


@dataclass
class Imitation:
    """SFT: the mean over the trained tokens of -log P."""

    driver: Looks
    rows: Rows
    formatter: Formatter
    normalization: str = "num_loss_tokens"

    def sequences(self, row: Row, line: int) -> Sequence[Sequenced]:
        """The one."""
        return [self.formatter.sequence(row, line)]

    def train(self, model_id: Any, units: Sequence[Unit]) -> None:
        """Rows of a unit are one sequence; the first token of none of them is a target."""
        self.driver.look("forward_backward", model_id, [self._datum(unit) for unit in units])

    def measure(self, model_id: Any, rows: Sequence[int]) -> float:
        """Over their tokens."""
        loss = tokens = 0.0
        for some in _several(rows):
            metrics = self.driver.look("forward", model_id, [self._datum((row,)) for row in some])["metrics"]
            loss, tokens = loss + metrics["loss:sum"], tokens + metrics["loss_tokens:sum"]
        return loss / max(1.0, tokens)

    def _datum(self, unit: Unit) -> Datum:
        found = [sequence for row in unit for sequence in self.sequences(self.rows.read(row), self.rows.line(row))]
        tokens = [token for sequence in found for token in sequence.tokens]
        weights = [weight for sequence in found for weight in (0.0, *sequence.weights[1:])]
        return make_datum(tokens, weights[1:])


@dataclass
class Preference:
    """DPO against a reference model, ORPO where there is none; the mean over the pairs of a step.

    The gradient of each pair's loss reaches the model as the weights of its tokens, as a client of the SDK sends that
    of a loss of its own.
    """

    driver: Looks
    rows: Rows
    formatter: Formatter
    beta: float
    reference: Any = None
    normalization: str = "none"

    def sequences(self, row: Row, line: int) -> Sequence[Sequenced]:
        """The chosen one and the rejected one."""
        return self.formatter.pair(row, line)

    def train(self, model_id: Any, units: Sequence[Unit]) -> None:
        """A pass for the losses, and one for the gradients."""
        answers = self._answers([row for unit in units for row in unit])
        sums = self._sums(model_id, answers).requires_grad_(True)
        losses, margins = self._losses(sums, answers)
        loss = losses.mean()
        (slopes,) = torch.autograd.grad(loss, sums)
        data = [
            make_datum(answer.tokens, [-float(slope) * weight for weight in answer.weights[1:]])
            for answer, slope in zip(answers, slopes.tolist(), strict=True)
        ]
        self.driver.look("forward_backward", model_id, data, loss=float(loss), reward=float(margins.mean()))

    def measure(self, model_id: Any, rows: Sequence[int]) -> float:
        """Over the pairs."""
        total = 0.0
        for some in _several(rows):
            answers = self._answers(some)
            total += float(self._losses(self._sums(model_id, answers), answers)[0].sum())
        return total / len(rows)

    def _answers(self, rows: Sequence[int]) -> list[Sequenced]:
        return [answer for row in rows for answer in self.sequences(self.rows.read(row), self.rows.line(row))]

    def _sums(self, model_id: Any, answers: list[Sequenced]) -> Tensor:
        """Of the log-probabilities of each answer's tokens."""
        data = [make_datum(answer.tokens, answer.weights[1:]) for answer in answers]
        outputs = self.driver.look("forward", model_id, data)["loss_fn_outputs"]
        return torch.tensor([_weighted(out, answer) for out, answer in zip(outputs, answers, strict=True)]).double()

    def _losses(self, sums: Tensor, answers: list[Sequenced]) -> tuple[Tensor, Tensor]:
        chosen, rejected = sums[0::2], sums[1::2]
        if self.reference is not None:
            base = self._sums(self.reference, answers)
            return dpo_loss(chosen, rejected, base[0::2], base[1::2], beta=self.beta)
        counts = torch.tensor([sum(answer.weights[1:]) for answer in answers]).double()
        return orpo_loss(chosen, rejected, counts[0::2], counts[1::2], beta=self.beta)


def _weighted(output: dict[str, Any], answer: Sequenced) -> float:
    pairs = zip(output["logprobs"]["data"], answer.weights[1:], strict=True)
    return float(sum(logprob * weight for logprob, weight in pairs))


def _several(rows: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(rows), ROWS_AT_ONCE):
        yield rows[start : start + ROWS_AT_ONCE]


def make_objective(
    recipe: str, driver: Looks, rows: Rows, formatter: Formatter, parameters: dict[str, Any], reference: Any = None
) -> Objective:
    """That of the recipe."""
    if recipe == "sft":
        return Imitation(driver, rows, formatter)
    if recipe in ("dpo", "orpo"):
        return Preference(driver, rows, formatter, float(parameters["beta"]), reference)
    raise OperationError(f"Recipe {recipe} trains on no dataset.")
