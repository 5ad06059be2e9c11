"""Tokens are drawn from the distribution that was asked for, and told with its log-probabilities."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from sampler.distribution import draw, pick, shaped
from sampler.wire import Sampling


@given(
    seed=st.integers(0, 10_000),
    temperature=st.sampled_from([0.3, 1.0, 2.5]),
    top_k=st.sampled_from([0, 1, 5, 40]),
    top_p=st.sampled_from([1.0, 0.9, 0.4]),
)
def test_it_is_what_transformers_own_steps_make_of_the_logits(
    seed: int, temperature: float, top_k: int, top_p: float
) -> None:
    logits = torch.randn(2, 32, generator=torch.Generator().manual_seed(seed)) * 3
    other = Sampling(temperature=0.7, top_k=3)
    found = shaped(logits.log_softmax(-1), [Sampling(temperature=temperature, top_k=top_k, top_p=top_p), other])[0]
    wanted = TemperatureLogitsWarper(temperature)(None, logits[:1])
    if top_k:
        wanted = TopKLogitsWarper(top_k)(None, wanted)
    if top_p < 1:
        wanted = TopPLogitsWarper(top_p)(None, wanted)
    assert torch.allclose(found.exp(), wanted.softmax(-1)[0], atol=1e-5)


def test_numbers_pick_tokens_by_their_share_and_never_one_without_any() -> None:
    behaviour = torch.tensor([0.0, 0.25, 0.0, 0.75, 0.0]).log().repeat(5, 1)
    numbers = torch.tensor([0.0, 0.2499, 0.2501, 0.9, 1 - 2**-53], dtype=torch.float64)
    assert pick(behaviour, numbers).tolist() == [1, 1, 3, 3, 3]


def test_the_greedy_draw_is_certain_and_ties_to_the_models_own() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0], [0.0, 2.0, 1.0]])
    greedy, drawn = draw(logits, [Sampling(temperature=0), Sampling(temperature=2)], [0.9, 0.9], 2)
    assert (greedy.token, greedy.sampling_logprob) == (1, 0.0)
    raw = logits[0].log_softmax(-1)
    assert greedy.logprob == pytest.approx(float(raw[1])) and [each[0] for each in greedy.top] == [1, 2]
    warm = (logits[0] / 2).log_softmax(-1)
    assert drawn.sampling_logprob == pytest.approx(float(warm[drawn.token]))
    assert drawn.logprob == pytest.approx(float(raw[drawn.token]))
