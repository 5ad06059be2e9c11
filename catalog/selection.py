"""Choose a training shape where none was named. Pure.

The rule, of the public control plane: a shape for exactly the base model, of the mode, with the smallest context that
suffices; else one for a model of the same type and about the same size (buckets 1B wide under 10B, 10B wide above).
Of equals the one with fewer GPUs, then the first by name; deprecated ones come last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.enums import MODE_LABELS, TrainerMode
from catalog.labels import context_label

BILLION = 10**9
MOST_NEAR_MISSES = 5


@dataclass(frozen=True)
class Wanted:
    """What a launch needs: `context` tokens at least (0: any), and the model's type and size where they are known."""

    base_model: str
    mode: TrainerMode
    context: int = 0
    model_type: str | None = None
    parameter_count: int | None = None


@dataclass(frozen=True)
class Candidate:
    """The latest validated version of a shape, as far as choosing needs it."""

    pk: int
    shape: str
    base_model: str
    mode: TrainerMode
    context: int
    gpus: int
    model_type: str | None = None
    parameter_count: int | None = None
    deprecated: bool = False


@dataclass(frozen=True)
class NearMiss:
    """A shape for the model that fails one constraint alone, and which."""

    shape: str
    fails: str


def choose(wanted: Wanted, candidates: Sequence[Candidate]) -> Candidate | None:
    """The shape that the rule picks; None where none will do."""
    for fits in (_exactly, _about):
        matching = [c for c in candidates if fits(wanted, c) and _has_mode(wanted, c) and _holds(wanted, c)]
        if matching:
            return min(matching, key=lambda c: (c.deprecated, c.context, c.gpus, c.shape))
    return None


def near_misses(wanted: Wanted, candidates: Sequence[Candidate]) -> list[NearMiss]:
    """Shapes that fit the model and fail by the mode or by the context alone, the closest first; at most five."""
    found = []
    fitting = [c for c in candidates if _exactly(wanted, c) or _about(wanted, c)]
    for candidate in sorted(fitting, key=lambda c: (not _exactly(wanted, c), -c.context, c.gpus, c.shape)):
        if _has_mode(wanted, candidate) == _holds(wanted, candidate):
            continue
        if _has_mode(wanted, candidate):
            fails = f"its context is {context_label(candidate.context)}, under the {wanted.context:,} tokens asked for"
        else:
            fails = f"its mode is {MODE_LABELS[candidate.mode]}, not {MODE_LABELS[wanted.mode]}"
        found.append(NearMiss(candidate.shape, fails))
    return found[:MOST_NEAR_MISSES]


def bucket(parameter_count: int) -> tuple[int, int]:
    """(width, number) in billions of the bucket that a size falls into."""
    width = 1 if parameter_count < 10 * BILLION else 10
    return width, parameter_count // (width * BILLION)


def _exactly(wanted: Wanted, candidate: Candidate) -> bool:
    return candidate.base_model == wanted.base_model


def _about(wanted: Wanted, candidate: Candidate) -> bool:
    if not (wanted.model_type and wanted.parameter_count and candidate.parameter_count):
        return False
    same_size = bucket(candidate.parameter_count) == bucket(wanted.parameter_count)
    return candidate.model_type == wanted.model_type and same_size


def _has_mode(wanted: Wanted, candidate: Candidate) -> bool:
    return candidate.mode is wanted.mode


def _holds(wanted: Wanted, candidate: Candidate) -> bool:
    return candidate.context >= wanted.context
