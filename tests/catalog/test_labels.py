"""How context lengths, accelerators and sizes are written, and that filters read the labels back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.enums import AcceleratorType
from catalog.labels import accelerator_label, context_label, duration_label, least_context, parameter_label, read_tokens


@pytest.mark.parametrize(
    ("tokens", "label"),
    [(128_000, "128k"), (131_072, "128k"), (256_000, "256k"), (262_144, "256k"), (65_536, "64k"), (204_785, "200k")],
)
def test_published_figures_have_the_published_labels(tokens: int, label: str) -> None:
    assert context_label(tokens) == label


def test_below_1k_lengths_stand_in_their_order_and_1k_leaves_them_out() -> None:
    labels = [context_label(tokens) for tokens in (512, 600, 999, 1000, 1024, 2048)]
    assert labels == ["512", "600", "999", "1k", "1k", "2k"]
    assert [least_context(label) for label in labels] == [512, 600, 999, 1000, 1000, 1536]


def test_at_least_128k_includes_both_readings() -> None:
    assert least_context("128k") <= 128_000
    assert least_context("128k") > 127_000
    assert least_context("2048") == 2048


@given(st.integers(1, 10_000_000))
def test_a_length_reads_back_as_one_that_is_shown_alike(tokens: int) -> None:
    label = context_label(tokens)
    assert context_label(read_tokens(label)) == label
    assert least_context(label) <= read_tokens(label)
    assert read_tokens(str(tokens)) == read_tokens(f"{tokens:,}") == tokens


@given(st.integers(1, 10_000_000))
def test_every_length_passes_the_filter_of_its_own_label(tokens: int) -> None:
    assert least_context(context_label(tokens)) <= tokens


@pytest.mark.parametrize("text", ["", "k", "12m", "-1k", "1e9", "9999999999k", "\u0661\u0662k"])
def test_what_is_no_length_is_refused_with_a_remedy(text: str) -> None:
    for read in (least_context, read_tokens):
        with pytest.raises(ValueError, match="such as 128k"):
            read(text)


def test_accelerators_and_sizes() -> None:
    assert accelerator_label("NVIDIA_B200_180GB") == "B200 180 GB"
    assert accelerator_label("NVIDIA_GB300") == "GB300"
    assert accelerator_label("AMD_MI300X_192GB") == "AMD MI300X 192 GB"
    assert len({accelerator_label(accelerator) for accelerator in AcceleratorType}) == len(AcceleratorType)
    assert [parameter_label(n) for n in (140_000, 9_000_000_000, 1_500_000_000_000, 12)] == ["140k", "9B", "1.5T", "12"]


@pytest.mark.parametrize(("seconds", "label"), [(5400, "1h30m"), (10_800, "3h"), (60, "1m"), (61, "1m1s"), (0, "0s")])
def test_durations_are_written_in_hours_minutes_and_seconds(seconds: int, label: str) -> None:
    assert duration_label(seconds) == label
