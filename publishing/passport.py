"""A passport in the words of its card: what a validation measured, on what, and how long that counts. Pure."""

from __future__ import annotations

from datetime import datetime

from django.template.defaultfilters import filesizeformat

from catalog.facts import Fact
from catalog.labels import accelerator_label
from publishing.models import Validation


def passport_facts(validation: Validation, *, provider: str) -> list[Fact]:
    """What was measured, line by line; `provider` is its label. A value None was not told."""
    return [
        Fact("provider", "Ran on", provider),
        Fact("image", "Image", validation.image or "chosen by the provider"),
        Fact("accelerator_type", "GPUs", _gpus(validation)),
        Fact("seconds_to_ready", "Time to ready", _seconds(validation.seconds_to_ready), "from start to first answer"),
        *_work(validation),
        Fact("peak_memory_bytes", "Peak memory", _memory(validation), _whose_memory(validation)),
        Fact("longest_context", "Longest context tried", _tokens(validation.longest_context)),
    ]


def is_expired(validation: Validation, now: datetime) -> bool:
    """Whether what it measured counts as old."""
    return validation.expires_at is not None and validation.expires_at < now


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
        return "none: runs on the CPU"
    if not validation.accelerator_type:
        return f"{validation.gpus} of unknown type"
    return f"{validation.gpus} x {accelerator_label(validation.accelerator_type)}"


def _seconds(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds:.2f} s"


def _memory(validation: Validation) -> str | None:
    return None if validation.peak_memory_bytes is None else str(filesizeformat(validation.peak_memory_bytes))


def _whose_memory(validation: Validation) -> str:
    return "of one GPU" if validation.gpus else "of the trainer's process"


def _tokens(tokens: int | None) -> str | None:
    return None if tokens is None else f"{tokens:,} tokens"
