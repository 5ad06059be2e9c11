"""A passport in the words of its card: what a validation measured, on what, and how long that counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.template.defaultfilters import filesizeformat

from catalog.fields.facts import Fact
from catalog.labels import accelerator_label
from catalog.models import ShapeVersion
from catalog.states import VersionState
from publishing.models import Validation

MEMORY_PARTS = {
    "parameters": "Memory of parameters",
    "gradients": "Memory of gradients",
    "optimizer": "Memory of the optimizer",
    "passes": "Memory of passes",
    "copies": "Memory of copies being saved",
}
INSIDE_PASSES = ("activations", "logits", "gathered")
UNSEEN = "by the shape; the provider does not say what it used"


def expiry_of(finished_at: datetime) -> datetime:
    """Until when counts what was shown, or vouched for, at that time."""
    return finished_at + timedelta(days=settings.SLIPWAY_PASSPORT_DAYS)


def passport_facts(validation: Validation, *, provider: str) -> list[Fact]:
    """What was measured, line by line; `provider` is its label. A value None was not told."""
    return [
        Fact("provider", "Ran on", provider, f"on {validation.nodes}" if validation.nodes else ""),
        Fact("image", "Image asked for", validation.image or "none: the provider chooses", UNSEEN),
        Fact("accelerator_type", "GPUs asked for", _gpus(validation), _had(validation)),
        Fact("seconds_to_ready", "Time to ready", _seconds(validation.seconds_to_ready), "from start to first answer"),
        *_work(validation),
        Fact("peak_memory_bytes", "Peak memory", _memory(validation), _whose_memory(validation)),
        *_memory_parts(validation.memory or {}),
        Fact("longest_context", "Longest context tried", _tokens(validation.longest_context)),
    ]


def is_expired(validation: Validation, now: datetime) -> bool:
    """Whether it is too old to count."""
    return validation.expires_at is not None and validation.expires_at < now


def is_renewable(version: ShapeVersion, passport: Validation | None, now: datetime) -> bool:
    """Whether a version that is validated may be vouched for anew, its newest passport being too old."""
    offered = version.state == VersionState.VALIDATED and version.withdrawn_at is None
    return offered and passport is not None and is_expired(passport, now)


def _work(validation: Validation) -> list[Fact]:
    if validation.forwards is not None:
        return [Fact("forwards", "Forward passes", f"{validation.forwards} in {_seconds(validation.forward_seconds)}")]
    return [
        Fact("seconds_per_step", "Time per step", _seconds(validation.seconds_per_step), "median, without the first"),
        Fact("loss", "Loss per token", _loss(validation), f"over {validation.steps} steps of sample data"),
    ]


def _loss(validation: Validation) -> str | None:
    if validation.first_loss is None or validation.last_loss is None:
        return None
    return f"{validation.first_loss:.4f} → {validation.last_loss:.4f}"


def _gpus(validation: Validation) -> str:
    if not validation.gpus:
        return "none"
    if not validation.accelerator_type:
        return f"{validation.gpus} of any type"
    return f"{validation.gpus} x {accelerator_label(validation.accelerator_type)}"


def _had(validation: Validation) -> str:
    """Which GPUs it had, where the engine says anything of what it gave."""
    if not validation.nodes:
        return UNSEEN
    return f"had {validation.gpus_had}" if validation.gpus_had else "had none"


def _seconds(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds:.2f} s"


def _memory(validation: Validation) -> str | None:
    return None if validation.peak_memory_bytes is None else str(filesizeformat(validation.peak_memory_bytes))


def _whose_memory(validation: Validation) -> str:
    whose = "of one GPU" if validation.gpus else "of the trainer's process"
    if validation.planned_memory_bytes is None:
        return whose
    return f"{whose}; {filesizeformat(validation.planned_memory_bytes)} planned"


def _memory_parts(told: dict[str, Any]) -> Iterator[Fact]:
    """What the peak went to; for what passes take the plan says what of it depends on the context."""
    measured, planned = told.get("measured", {}), told.get("planned", {})
    for part, label in MEMORY_PARTS.items():
        if part in measured:
            told_planned = f"{filesizeformat(planned[part])} planned" if part in planned else ""
            inside = [f"{name} {filesizeformat(planned[name])}" for name in INSIDE_PASSES if planned.get(name)]
            tokens = f" for up to {told['tokens']:,} tokens" if told.get("tokens") else ""
            inner = f"{tokens}: {', '.join(inside)}" if part == "passes" and inside else ""
            yield Fact(f"memory_{part}", label, str(filesizeformat(measured[part])), f"{told_planned}{inner}")


def _tokens(tokens: int | None) -> str | None:
    return None if tokens is None else f"{tokens:,} tokens"
