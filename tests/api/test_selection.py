"""The choice of a shape where none is named, against the rule read word by word. Pure."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from catalog.enums import TrainerMode
from catalog.selection import BILLION, Candidate, Wanted, bucket, choose, near_misses

MODELS = ("accounts/a/models/x", "accounts/a/models/y")
SIZES = st.sampled_from([None, 1, 999_999_999, 10**9, 9 * 10**9 + 1, 10 * 10**9, 19 * 10**9, 20 * 10**9, 235 * 10**9])
TYPES = st.sampled_from([None, "qwen3", "llama"])
MODES = st.sampled_from(list(TrainerMode))
CONTEXTS = st.sampled_from([1, 2048, 4096, 131_072])
CANDIDATES = st.lists(
    st.builds(
        Candidate,
        pk=st.just(0),
        shape=st.sampled_from(["a/1", "a/2", "b/1"]),
        base_model=st.sampled_from(MODELS),
        mode=MODES,
        context=CONTEXTS,
        gpus=st.integers(0, 3),
        model_type=TYPES,
        parameter_count=SIZES,
        deprecated=st.booleans(),
    ),
    max_size=8,
)
WANTED = st.builds(Wanted, st.sampled_from(MODELS), MODES, st.just(0) | CONTEXTS, TYPES, SIZES)


def is_about_the_size(one: int, other: int) -> bool:
    """Buckets 1B wide under 10B, 10B wide above."""
    width = 10**9 if one < 10**10 else 10**10
    return one // width * width <= other < one // width * width + width


def by_the_rule(wanted: Wanted, candidates: list[Candidate]) -> Candidate | None:
    """Exactly the model, else one that is alike; the smallest context that suffices; fewer GPUs; the first by name."""
    will_do = [c for c in candidates if c.mode == wanted.mode and c.context >= wanted.context]
    exact = [c for c in will_do if c.base_model == wanted.base_model]
    alike = [
        c
        for c in will_do
        if wanted.model_type
        and wanted.parameter_count
        and c.parameter_count
        and c.model_type == wanted.model_type
        and is_about_the_size(wanted.parameter_count, c.parameter_count)
    ]
    best = None
    for c in exact or alike:
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
def test_the_choice_is_that_of_the_rule(wanted: Wanted, candidates: list[Candidate]) -> None:
    assert choose(wanted, candidates) == by_the_rule(wanted, candidates)


@given(WANTED, CANDIDATES)
def test_a_near_miss_fails_by_the_one_thing_that_it_names(wanted: Wanted, candidates: list[Candidate]) -> None:
    misses = near_misses(wanted, candidates)
    assert len(misses) <= 5
    for miss in misses:
        assert any(
            candidate.shape == miss.shape
            and (candidate.mode != wanted.mode) != (candidate.context < wanted.context)
            and ("mode" in miss.fails) == (candidate.mode != wanted.mode)
            for candidate in candidates
        )
    if choose(wanted, candidates) is None and not misses:
        for c in (c for c in candidates if c.base_model == wanted.base_model):
            assert c.mode != wanted.mode and c.context < wanted.context


@given(st.integers(1, 400 * BILLION), st.integers(1, 400 * BILLION))
def test_buckets_are_as_wide_as_the_rule_says(one: int, other: int) -> None:
    assert (bucket(one) == bucket(other)) == is_about_the_size(one, other)
