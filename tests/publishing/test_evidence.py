"""What counts as evidence, and what was measured."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from publishing.evidence import RunMeasurements, measure, shortcomings, summary
from tests.publishing.makers import CONTEXT, records


def test_a_run_with_every_step_and_the_full_context_lacks_nothing() -> None:
    assert list(shortcomings(records(20), steps=20, context=CONTEXT)) == []
    assert list(shortcomings(records(1), steps=1, context=CONTEXT)) == []


def test_a_step_too_few_is_told() -> None:
    assert list(shortcomings(records(20)[:-1], steps=20, context=CONTEXT)) == ["It recorded 19 of 20 steps."]


@pytest.mark.parametrize("loss", [None, math.nan, math.inf])
def test_a_loss_that_is_no_number_is_told_with_its_step(loss: float | None) -> None:
    found = records(5)
    found[2] = replace(found[2], loss_per_token=loss)
    assert list(shortcomings(found, steps=5, context=CONTEXT)) == ["The loss of step 3 is not a finite number."]


@pytest.mark.parametrize("tried", [CONTEXT - 1, None])
def test_a_context_that_was_not_reached_is_told(tried: int | None) -> None:
    found = [replace(record, longest_context=tried) for record in records(5)]
    (reason,) = shortcomings(found, steps=5, context=CONTEXT)
    assert f"{tried or 0:,} tokens; the shape promises 2,048" in reason


def test_nothing_recorded_lacks_steps_and_context() -> None:
    assert len(list(shortcomings([], steps=5, context=CONTEXT))) == 2


def test_the_first_step_warms_up() -> None:
    measured = measure(records(20), forward_only=False)
    assert measured == RunMeasurements(
        seconds_per_step=0.5, peak_memory_bytes=2**20, longest_context=CONTEXT, first_loss=6.0, last_loss=6 - 1.9
    )
    assert summary(measured) == "Loss from 6.0000 to 4.1000; longest context tried: 2,048 tokens."
    assert measure(records(1), forward_only=False).seconds_per_step == 9.0


def test_a_forward_only_run_is_counted_and_timed() -> None:
    measured = measure(records(3), forward_only=True)
    assert (measured.forwards, measured.forward_seconds) == (3, 10.0)
    assert (measured.seconds_per_step, measured.first_loss) == (None, None)
    assert summary(measured) == "3 forward passes in 10.0 s; longest context tried: 2,048 tokens."


def test_the_memory_that_was_planned_is_kept_beside_what_was_measured() -> None:
    found = [replace(record, planned_memory_bytes=2**21) for record in records(3)]
    for forward_only in (False, True):
        measured = measure(found, forward_only=forward_only)
        assert (measured.peak_memory_bytes, measured.planned_memory_bytes) == (2**20, 2**21)


def test_what_was_not_recorded_is_not_made_up() -> None:
    found = [replace(record, seconds=None, peak_memory_bytes=None) for record in records(3)]
    measured = measure(found, forward_only=False)
    assert (measured.seconds_per_step, measured.peak_memory_bytes) == (None, None)
    assert measure([], forward_only=False) == RunMeasurements()
