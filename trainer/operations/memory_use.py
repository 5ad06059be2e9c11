"""What the memory of this rank was found to go to, beside what was planned for it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch

from trainer.memory import peak_bytes, size_of
from trainer.operations.parts import Parts
from trainer.ranks.norms import local

log = logging.getLogger(__name__)

GROWN = 1.05
"""How many times the peak that was told last is worth telling."""


@dataclass(frozen=True)
class MemoryNote:
    """Peak of this rank and what was planned for it, in bytes (None: nothing was), both with what was there before the
    model; and by part, where that is news."""

    peak: int
    planned: int | None = None
    by_part: dict[str, Any] | None = None


def note_memory(parts: Parts) -> MemoryNote:
    """What the memory goes to by now. The log tells it by part, again where the peak has grown."""
    host = parts.host
    peak = peak_bytes(host.device)
    if (plan := host.plan) is None:
        return MemoryNote(peak)
    planned = plan.before + plan.memory.total
    if peak <= GROWN * host.told_peak:
        return MemoryNote(peak, planned)
    host.told_peak = peak
    kept = {
        "parameters": _bytes(each for module in host.modules() for each in module.parameters()),
        "gradients": _bytes(each.grad for model in host.models() for each in model.parameters if each.grad is not None),
        "optimizer": _bytes(
            value
            for model in host.models()
            if model.optimizer is not None
            for state in model.optimizer.state.values()
            for value in state.values()
        ),
    }
    if host.device.type == "cpu" and (copies := parts.saving.copies_in(peak)):  # a GPU's lie in the machine's memory
        kept["copies"] = copies
    kept["passes"] = max(0, peak - plan.before - sum(kept.values()))
    by_plan = {**asdict(plan.memory), "passes": plan.memory.passes}
    told = ", ".join(
        f"{part} {size_of(own)}{f' of {size_of(by_plan[part])}' if part in by_plan else ''}"
        for part, own in kept.items()
    )
    log.info(
        "memory measured of planned: %s of %s: %s; passes of up to %d tokens were planned",
        size_of(peak - plan.before), size_of(plan.memory.total), told, plan.tokens,
    )  # fmt: skip
    return MemoryNote(peak, planned, {"tokens": plan.tokens, "planned": by_plan, "measured": kept})


def _bytes(tensors: Iterable[torch.Tensor]) -> int:
    """Of what lies on this rank; what is there twice counts once."""
    return sum({own.data_ptr(): own.nbytes for own in map(local, tensors)}.values())
