"""A run in words, for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.files.plan import StepKind
from catalog.files.plan_text import MARKS, WORDS
from catalog.states import SyncOutcome
from wire.counts import quantity


def told_counts(outcome: str, counts: Mapping[str, int]) -> str:
    """How many shapes are offered, and steps of each kind, done or to be done."""
    done = outcome == SyncOutcome.APPLIED
    steps = [f"{WORDS[kind][done]}: {counts[kind]}" for kind in StepKind if counts.get(kind)]
    offered = f"{quantity(counts.get('offered', 0), 'shape')} offered"
    return "; ".join([offered, *(steps or ["nothing to do"])])


@dataclass(frozen=True)
class SyncStepGroup:
    """The differences of one kind, with what they are called."""

    title: str
    steps: tuple[Mapping[str, Any], ...]


def grouped(outcome: str, differences: Sequence[Mapping[str, Any]]) -> list[SyncStepGroup]:
    """By kind, what adds first."""
    done = outcome == SyncOutcome.APPLIED
    found = [
        SyncStepGroup(WORDS[kind][done].capitalize(), tuple(step for step in differences if step["kind"] == kind))
        for kind in StepKind
    ]
    return [group for group in found if group.steps]


def told_run(
    outcome: str,
    counts: Mapping[str, int],
    differences: Sequence[Mapping[str, Any]],
    refused: Sequence[Mapping[str, Any]],
) -> Iterator[str]:
    """Every difference with its fields, `before -> after`, and every line that was left out with its reason."""
    yield told_counts(outcome, counts)
    for step in differences:
        yield f"{MARKS[StepKind(step['kind'])]} {step['name']}"
        for field in step["fields"]:
            before = [] if field["before"] is None else [field["before"]]
            yield f"    {field['label']}: {' -> '.join([*before, field['after']])}"
    for line in refused:
        yield f"- left out: {line['name']}: {line['reason']}"
