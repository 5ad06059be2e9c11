"""The choice of a shape where none is named, against the rule read word by word. Pure."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from catalog.selection import BILLION, Candidate, ShapeRequirements, bucket, choose, near_misses
from connections.providers.spec import TrainerMode

MODELS = ("accounts/m/models/x", "accounts/m/models/y")
ACCOUNTS = st.sampled_from("amo")  # one that launches, the models' own, and another one
IMAGES = st.sampled_from(["", "1.0"])
SIZES = st.sampled_from([None, 1, 999_999_999, 10**9, 9 * 10**9 + 1, 10 * 10**9, 19 * 10**9, 20 * 10**9, 235 * 10**9])
TYPES = st.sampled_from([None, "qwen3", "llama"])
MODES = st.sampled_from(list(TrainerMode))
CONTEXTS = st.sampled_from([1, 2048, 4096, 131_072])
CANDIDATES = st.lists(
    st.builds(
        Candidate,
        pk=st.just(0),
        shape=st.sampled_from(["a/1", "a/2", "b/1"]),
        account=ACCOUNTS,
        base_model=st.sampled_from(MODELS),
        mode=MODES,
        context=CONTEXTS,
        gpus=st.integers(0, 3),
        image=IMAGES,
        model_type=TYPES,
        parameter_count=SIZES,
        deprecated=st.booleans(),
    ),
    max_size=8,
)
WANTED = st.builds(
    ShapeRequirements,
    st.sampled_from(MODELS),
    MODES,
    st.just(0) | CONTEXTS,
    TYPES,
    SIZES,
    IMAGES,
    st.sampled_from("amo"),
)


def is_about_the_size(one: int, other: int) -> bool:
    """Buckets 1B wide under 10B, 10B wide above."""
    width = 10**9 if one < 10**10 else 10**10
    return one // width * width <= other < one // width * width + width


def is_of_the_type(wanted: ShapeRequirements, candidate: Candidate) -> bool:
    """The same type of model, where it and the sizes are known."""
    known = wanted.model_type and wanted.parameter_count and candidate.parameter_count
    return bool(known) and candidate.model_type == wanted.model_type


def is_bare(wanted: ShapeRequirements, candidate: Candidate) -> bool:
    """A LoRA shape where only to go forward is asked for: at rank 0 it is the base model alone."""
    return (wanted.mode, candidate.mode) == (TrainerMode.FORWARD_ONLY, TrainerMode.LORA_TRAINER)


def has_what_is_asked(wanted: ShapeRequirements, candidate: Candidate) -> list[bool]:
    """Mode, context and image, one by one."""
    return [
        candidate.mode == wanted.mode or is_bare(wanted, candidate),
        candidate.context >= wanted.context,
        wanted.image in ("", candidate.image),
    ]


def by_the_rule(wanted: ShapeRequirements, candidates: list[Candidate]) -> Candidate | None:
    """Exactly the model, else one alike; whose it is; the smallest context; fewer GPUs; the first by name."""
    will_do = [c for c in candidates if all(has_what_is_asked(wanted, c))]
    exact = [c for c in will_do if c.base_model == wanted.base_model]
    alike = [c for c in will_do if is_of_the_type(wanted, c) and c.parameter_count == wanted.parameter_count]
    best = None
    for fitting in (exact, alike):
        for bare in (False, True):
            for owners in ([wanted.account], ["m"], ["a", "o"]):
                best = best or best_of([c for c in fitting if c.account in owners and is_bare(wanted, c) is bare])
    return best


def best_of(candidates: list[Candidate]) -> Candidate | None:
    """The smallest context; fewer GPUs; the first by name; a deprecated one only where there is no other."""
    best = None
    for c in candidates:
        if best is None:
            best = c
        elif c.deprecated != best.deprecated:
            best = best if c.deprecated else c
        elif c.context != best.context:
            best = c if c.context < best.context else best
        elif c.gpus != best.gpus:
            best = c if c.gpus < best.gpus else best
        elif c.shape < best.shape:
            best = c
    return best


@given(WANTED, CANDIDATES)
def test_the_choice_is_that_of_the_rule(wanted: ShapeRequirements, candidates: list[Candidate]) -> None:
    assert choose(wanted, candidates) == by_the_rule(wanted, candidates)


@given(WANTED, CANDIDATES)
def test_near_misses_are_told_with_all_that_they_fail_by_the_closest_ones_only(
    wanted: ShapeRequirements, candidates: list[Candidate]
) -> None:
    failing: dict[str, set[int]] = {}
    for c in candidates:
        exact = c.base_model == wanted.base_model
        if not exact and not (
            is_of_the_type(wanted, c) and is_about_the_size(wanted.parameter_count or 0, c.parameter_count or 0)
        ):
            continue
        right = [exact or c.parameter_count == wanted.parameter_count, *has_what_is_asked(wanted, c)]
        failing.setdefault(c.shape, set()).add(right.count(False))
    misses = near_misses(wanted, candidates)
    counts = {miss.fails.count("its ") for miss in misses}
    least = min((count for found in failing.values() for count in found if count), default=0)
    assert counts == ({least} if least else set())
    assert {miss.shape for miss in misses} <= {shape for shape, found in failing.items() if least in found}
    assert len(misses) <= 5


@given(st.integers(1, 400 * BILLION), st.integers(1, 400 * BILLION))
def test_buckets_are_as_wide_as_the_rule_says(one: int, other: int) -> None:
    assert (bucket(one) == bucket(other)) == is_about_the_size(one, other)
