"""What passes add up until the optimizer steps, and the record of a pass that nothing steps on."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from trainer.config import FORWARD_ONLY
from trainer.held import HeldModel
from trainer.metrics import StepRecord
from trainer.operations.memory_use import note_memory
from trainer.operations.parts import Parts

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Totals:
    loss: float
    loss_tokens: int
    sequences: int
    tokens: int
    longest: int
    seconds: float


def accumulate(model: HeldModel, totals: Totals, reward: float | None, told_loss: float | None) -> None:
    total = model.accumulated
    total.loss += totals.loss
    total.loss_tokens += totals.loss_tokens
    total.sequences += totals.sequences
    total.tokens += totals.tokens
    total.longest = max(total.longest, totals.longest)
    total.seconds += totals.seconds
    total.passes += 1
    if reward is not None:
        total.rewards.append(reward)
    if told_loss is not None:
        total.told_losses.append(told_loss)


def record_forward(parts: Parts, model: HeldModel, totals: Totals) -> None:
    model.step += 1
    loss = totals.loss / totals.loss_tokens if totals.loss_tokens else None
    memory = note_memory(parts)
    parts.metrics.append(
        StepRecord(
            step=model.step, loss_per_token=loss, learning_rate=None, grad_norm=None,
            tokens=totals.tokens, seconds=totals.seconds, peak_memory_bytes=memory.peak,
            planned_memory_bytes=memory.planned, memory=memory.by_part, longest_context=totals.longest,
        )
    )  # fmt: skip
    log.info(
        "forward %d: loss/token %s, %d tokens, %.3f s",
        model.step,
        shown_loss(loss),
        totals.tokens,
        totals.seconds,
    )


def shown_loss(loss: float | None) -> str:
    """How the log says it."""
    return "-" if loss is None else f"{loss:.4f}"


def why_frozen(parts: Parts) -> str:
    if parts.config.trainer_mode == FORWARD_ONLY:
        return "This trainer was launched from a forward-only shape: it answers forward and does not train."
    return "This model is frozen (made with base_only or LoRA rank 0): it answers forward and does not train."
