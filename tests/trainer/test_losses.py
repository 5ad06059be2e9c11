"""Losses and normalisation against a plain reference of loops and floats."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.losses import gradient_divisor, is_loss_token, token_losses
from trainer.operations.forward import micro_batches, target_logprobs
from trainer.wire import Datum

logprob = st.floats(-8, -0.01)
signed = st.floats(-3, 3)
rows = st.lists(st.tuples(logprob, logprob, signed, signed), min_size=1, max_size=12)


def reference(loss_fn: str, new: float, old: float, advantage: float, weight: float, low: float, high: float) -> float:
    if loss_fn == "cross_entropy":
        return -weight * new
    ratio = math.exp(new - old)
    if loss_fn == "importance_sampling":
        return -weight * ratio * advantage
    clipped = min(max(ratio, low), high)
    return -weight * min(ratio * advantage, clipped * advantage)


@pytest.mark.parametrize("loss_fn", ["cross_entropy", "importance_sampling", "ppo"])
@given(rows=rows, low=st.floats(0, 1), high=st.floats(1, 2))
def test_each_token_has_the_loss_of_the_formula(
    loss_fn: str, rows: list[tuple[float, ...]], low: float, high: float
) -> None:
    new, old, advantage, weight = (torch.tensor(column, dtype=torch.float64) for column in zip(*rows, strict=True))
    inputs = {"logprobs": old, "advantages": advantage, "weights": weight}
    losses = token_losses(loss_fn, new, inputs, clip_low=low, clip_high=high)
    assert losses.tolist() == pytest.approx([reference(loss_fn, *row, low, high) for row in rows])


@given(weights=st.lists(signed, min_size=1, max_size=12))
def test_the_gradient_of_cross_entropy_is_minus_the_weights_and_nothing_is_divided(weights: list[float]) -> None:
    """What a client relies on that sends -dL/dlogprob as weights, negative ones too."""
    logprobs = torch.linspace(-5, -1, len(weights), dtype=torch.float64, requires_grad=True)
    token_losses("cross_entropy", logprobs, {"weights": torch.tensor(weights, dtype=torch.float64)}).sum().backward()
    assert logprobs.grad is not None
    assert logprobs.grad.tolist() == pytest.approx([-weight for weight in weights])


def test_ppo_stops_pushing_outside_the_band() -> None:
    logprobs = torch.log(torch.tensor([1.5, 1.1, 0.5, 0.5])).requires_grad_()
    inputs = {"logprobs": torch.zeros(4), "advantages": torch.tensor([1.0, 1.0, -1.0, 1.0])}
    token_losses("ppo", logprobs, inputs).sum().backward()
    assert logprobs.grad is not None
    moved = (logprobs.grad != 0).tolist()
    assert moved == [False, True, False, True]


def test_the_logarithm_of_the_ratio_is_capped_where_that_is_asked_for() -> None:
    inputs = {"logprobs": torch.tensor([-9.0, -1.0, -1.0]), "advantages": torch.ones(3)}
    logprobs = torch.tensor([-1.0, -9.0, -2.0])
    for cap, ratios in ((2.0, [2.0, -2.0, -1.0]), (math.inf, [8.0, -8.0, -1.0])):
        losses = token_losses("importance_sampling", logprobs, inputs, ratio_log_cap=cap)
        assert losses.tolist() == pytest.approx([-math.exp(ratio) for ratio in ratios])


def test_weights_are_one_where_there_are_none() -> None:
    assert token_losses("cross_entropy", torch.tensor([-1.0, -2.0]), {}).tolist() == [1.0, 2.0]


def test_tokens_of_no_weight_or_no_advantage_do_not_count() -> None:
    inputs = {"weights": torch.tensor([1.0, 0.0, -1.0, 1.0]), "advantages": torch.tensor([1.0, 1.0, 1.0, 0.0])}
    assert is_loss_token(inputs, torch.zeros(4)).tolist() == [True, False, True, False]


@pytest.mark.parametrize(("mode", "divisor"), [("none", 1), ("num_loss_tokens", 7), ("num_sequences", 3)])
def test_gradients_are_divided_by_what_the_mode_says(mode: str, divisor: int) -> None:
    assert gradient_divisor(mode, loss_tokens=7, sequences=3) == divisor
    assert gradient_divisor(mode, loss_tokens=0, sequences=0) == 1


@given(
    st.lists(st.lists(st.floats(-20, 20), min_size=5, max_size=5), min_size=1, max_size=6).map(torch.tensor),
    st.data(),
)
def test_log_probabilities_are_those_of_a_softmax(logits: torch.Tensor, data: st.DataObject) -> None:
    targets = torch.tensor(data.draw(st.lists(st.integers(0, 4), min_size=len(logits), max_size=len(logits))))
    expected = torch.log_softmax(logits, -1)[torch.arange(len(logits)), targets]
    torch.testing.assert_close(target_logprobs(logits, targets), expected, atol=1e-4, rtol=1e-4)


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=40))
def test_micro_batches_keep_order_and_stay_within_the_limit(lengths: list[int]) -> None:
    data = [Datum([0] * length, {}) for length in lengths]
    batches = list(micro_batches(data))
    assert [datum for batch in batches for datum in batch] == data
    for batch in batches:
        assert len(batch) == 1 or max(len(datum.tokens) for datum in batch) * len(batch) <= 4096
