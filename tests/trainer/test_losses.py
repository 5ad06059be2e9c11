"""Losses and normalisation against a plain reference of loops and floats."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer import logprobs
from trainer.logprobs import target_logprobs
from trainer.losses import gradient_divisor, is_loss_token, token_losses
from trainer.operations.forward import micro_batches
from trainer.passes import LOSSES

logprob = st.floats(-8, -0.01)
signed = st.floats(-3, 3)
rows = st.lists(st.tuples(logprob, logprob, signed, signed), min_size=1, max_size=12)
low, high = st.floats(0, 1), st.floats(1, 2)
SETTINGS: dict[str, st.SearchStrategy[dict[str, float]]] = {
    "cross_entropy": st.just({}),
    "importance_sampling": st.fixed_dictionaries({}, optional={"ratio_log_cap": st.floats(0.1, 5)}),
    "ppo": st.fixed_dictionaries({"clip_low_threshold": low, "clip_high_threshold": high}),
    "cispo": st.fixed_dictionaries(
        {"clip_low_threshold": low, "clip_high_threshold": high, "ratio_log_cap": st.floats(0.1, 5)}
    ),
    "dro": st.fixed_dictionaries({}, optional={"beta": st.floats(0, 2)}),
    "dapo": st.fixed_dictionaries(
        {"clip_low_threshold": low, "clip_high_threshold": high}, optional={"eps_clip_c": st.floats(1.1, 4)}
    ),
    "gspo": st.fixed_dictionaries(
        {"clip_low_threshold": low, "clip_high_threshold": high}, optional={"seq_ratio_log_cap": st.floats(0.1, 5)}
    ),
}


def reference(
    loss_fn: str, new: float, old: float, advantage: float, log_ratio: float, settings: dict[str, float]
) -> tuple[float, float]:
    """Loss of a token of weight 1, and its slope by the log-probability, with floats alone.

    log_ratio is the token's own, or that of its sequence.
    """
    if loss_fn == "cross_entropy":
        return -new, -1.0
    if loss_fn == "dro":
        beta = settings.get("beta", 0.05)
        return -(new * advantage - beta / 2 * (new - old) ** 2), -advantage + beta * (new - old)
    cap = {"cispo": 20.0, "dapo": 20.0, "gspo": 10.0}.get(loss_fn, math.inf)
    cap = settings.get("ratio_log_cap", settings.get("seq_ratio_log_cap", cap))
    lowest = -math.inf if loss_fn == "gspo" else -cap
    ratio = math.exp(min(max(log_ratio, lowest), cap))
    moves = lowest < log_ratio < cap
    slope = -ratio * advantage * moves
    if loss_fn == "importance_sampling":
        return -ratio * advantage, slope
    clipped = min(max(ratio, settings["clip_low_threshold"]), settings["clip_high_threshold"])
    if loss_fn == "cispo":
        return -clipped * new * advantage, -clipped * advantage
    loss = -min(ratio * advantage, clipped * advantage)
    slope = slope if clipped == ratio or ratio * advantage < clipped * advantage else 0.0
    if "eps_clip_c" in settings and advantage < 0 and loss > -settings["eps_clip_c"] * advantage:
        return -settings["eps_clip_c"] * advantage, 0.0
    return loss, slope


@pytest.mark.parametrize("loss_fn", LOSSES)
@given(rows=rows, data=st.data())
def test_each_token_has_the_loss_and_the_gradient_of_the_formula(
    loss_fn: str, rows: list[tuple[float, ...]], data: st.DataObject
) -> None:
    settings = data.draw(SETTINGS[loss_fn])
    new, old, advantage, weight = (torch.tensor(column, dtype=torch.float64) for column in zip(*rows, strict=True))
    new.requires_grad_()
    inputs = {"logprobs": old, "advantages": advantage, "weights": weight, "response_mask": (weight != 0).double()}
    losses = token_losses(loss_fn, new, inputs, settings)
    losses.sum().backward()
    counted = [row for row in rows if row[3] != 0]
    mean = sum(row[0] - row[1] for row in counted) / max(1, len(counted))
    ratios = [mean if loss_fn == "gspo" else row[0] - row[1] for row in rows]
    expected = [reference(loss_fn, *row[:3], log, settings) for row, log in zip(rows, ratios, strict=True)]
    assert losses.tolist() == pytest.approx([row[3] * each[0] for row, each in zip(rows, expected, strict=True)])
    if not any(_at_a_bend(loss_fn, log, row[2], settings) for row, log in zip(rows, ratios, strict=True)):
        assert new.grad is not None
        slopes = [row[3] * each[1] for row, each in zip(rows, expected, strict=True)]
        assert new.grad.tolist() == pytest.approx(slopes, abs=1e-9)


def _at_a_bend(loss_fn: str, log_ratio: float, advantage: float, settings: dict[str, float]) -> bool:
    """Where a formula has no one slope."""
    bends = [math.log(value) for name, value in settings.items() if "log_cap" not in name and value > 0]
    bends += [value for name, value in settings.items() if "log_cap" in name]
    near = any(abs(abs(log_ratio) - abs(bend)) < 1e-9 for bend in bends)
    return loss_fn not in ("cross_entropy", "dro") and (near or advantage == 0)


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
        losses = token_losses("importance_sampling", logprobs, inputs, {"ratio_log_cap": cap})
        assert losses.tolist() == pytest.approx([-math.exp(ratio) for ratio in ratios])


def test_weights_are_one_where_there_are_none() -> None:
    assert token_losses("cross_entropy", torch.tensor([-1.0, -2.0]), {}).tolist() == [1.0, 2.0]


def test_tokens_of_no_weight_or_no_advantage_do_not_count() -> None:
    inputs = {"weights": torch.tensor([1.0, 0.0, -1.0, 1.0]), "advantages": torch.tensor([1.0, 1.0, 1.0, 0.0])}
    assert is_loss_token("ppo", inputs, torch.zeros(4)).tolist() == [True, False, True, False]
    assert is_loss_token("dro", inputs, torch.zeros(4)).tolist() == [True, False, True, True]


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
def test_micro_batches_hold_each_sequence_once_and_stay_within_the_limit(lengths: list[int]) -> None:
    for padded in (True, False):
        batches = list(micro_batches(lengths, padded))
        places = [place for batch in batches for place in batch]
        assert sorted(places) == list(range(len(lengths)))
        assert [lengths[place] for place in places] == sorted(lengths, reverse=True)
        for batch in batches:
            longest, shortest = lengths[batch[0]], lengths[batch[-1]]
            assert len(batch) == 1 or sum(lengths[place] for place in batch) <= 4096
            if padded:
                assert len(batch) == 1 or longest * len(batch) <= 4096
                assert longest <= max(128, 2 * shortest)
    for batch in micro_batches(lengths, False, 2000):
        assert len(batch) == 1 or lengths[batch[0]] * len(batch) * 2000 <= 16 * 4096


@pytest.mark.parametrize("width", [None, 3])
def test_log_probabilities_of_some_tokens_at_a_time_are_those_of_all(
    monkeypatch: pytest.MonkeyPatch, width: int | None
) -> None:
    """Values and gradients, of the hidden states and of the head."""
    torch.manual_seed(1)
    hidden, head = torch.randn(37, 16, requires_grad=True), torch.nn.Linear(16, 501)
    targets = torch.randint(501, (37,) if width is None else (37, width))
    slopes = torch.randn(targets.shape)
    whole = target_logprobs(head(hidden), targets)
    expected = torch.autograd.grad((whole * slopes).sum(), [hidden, head.weight, head.bias])
    seen: list[int] = []
    head.register_forward_hook(lambda _module, _inputs, logits: seen.append(logits.numel() * 4))
    monkeypatch.setattr(logprobs, "LOGITS_BYTES", 5 * 501 * 4)
    found = logprobs.chosen_logprobs(hidden, head, targets, 501)
    torch.testing.assert_close(found, whole, atol=1e-5, rtol=1e-5)
    gradients = torch.autograd.grad((found * slopes).sum(), [hidden, head.weight, head.bias])
    torch.testing.assert_close(gradients, expected, atol=1e-5, rtol=1e-5)
    assert len(seen) == 2 * 8 and max(seen) <= logprobs.LOGITS_BYTES
