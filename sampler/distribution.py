"""From logits to tokens and their log-probabilities. Functions of tensors, all rows of a batch at once."""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sampler.sequences import LEAST_LOGPROB, Scored
from sampler.wire import Sampling


def draw(logits: Tensor, samplings: Sequence[Sampling], numbers: Sequence[float], top: int) -> list[Scored]:
    """One token for each row of logits [rows, vocabulary].

    numbers: from [0, 1), one a row, which decide. top: how many of the likeliest tokens are told of, at least.
    """
    raw = logits.float().log_softmax(-1)
    behaviour = shaped(raw, samplings)
    tokens = pick(behaviour, torch.tensor(numbers, dtype=torch.float64, device=raw.device))
    drawn = behaviour.gather(-1, tokens.unsqueeze(-1)).squeeze(-1).tolist()
    scored = score(raw, tokens, top)
    return [
        Scored(each.token, each.logprob, max(logprob, LEAST_LOGPROB), each.top)
        for each, logprob in zip(scored, drawn, strict=True)
    ]


def score(raw: Tensor, tokens: Tensor, top: int) -> list[Scored]:
    """Given tokens [rows] under log-probabilities [rows, vocabulary]."""
    own = raw.gather(-1, tokens.unsqueeze(-1)).squeeze(-1).clamp_min(LEAST_LOGPROB).tolist()
    likeliest: list[tuple[tuple[int, float], ...]] = [()] * len(own)
    if top:
        values, ids = raw.topk(min(top, raw.shape[-1]), dim=-1)
        rows = zip(ids.tolist(), values.clamp_min(LEAST_LOGPROB).tolist(), strict=True)
        likeliest = [tuple(zip(*row, strict=True)) for row in rows]
    return [
        Scored(token, logprob, None, row) for token, logprob, row in zip(tokens.tolist(), own, likeliest, strict=True)
    ]


def shaped(raw: Tensor, samplings: Sequence[Sampling]) -> Tensor:
    """Log-probabilities of the distributions that are drawn from: temperature, then top_k, then top_p."""
    if all(sampling.is_plain for sampling in samplings):
        return raw
    result = (raw / _column(raw, [sampling.temperature or 1.0 for sampling in samplings])).log_softmax(-1)
    if any(sampling.top_k or sampling.top_p < 1 for sampling in samplings):
        result = _cut(result, samplings)
    greedy = torch.tensor([sampling.temperature == 0 for sampling in samplings], device=raw.device)
    likeliest = torch.full_like(raw, -torch.inf).scatter_(-1, raw.argmax(-1, keepdim=True), 0.0)
    return torch.where(greedy.unsqueeze(-1), likeliest, result)


def pick(behaviour: Tensor, numbers: Tensor) -> Tensor:
    """The token of each row at which the probabilities, added up, first exceed the row's number."""
    added = behaviour.double().exp().cumsum(-1)
    total = added[:, -1]
    # Below the total whatever rounding does, so that nothing without a probability is ever picked.
    places = torch.minimum(numbers * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(added, places.unsqueeze(-1), right=True).squeeze(-1)


def _cut(logprobs: Tensor, samplings: Sequence[Sampling]) -> Tensor:
    vocabulary = logprobs.shape[-1]
    values, order = logprobs.sort(dim=-1, descending=True)
    rank = torch.arange(vocabulary, device=logprobs.device)
    most = torch.tensor([sampling.top_k or vocabulary for sampling in samplings], device=logprobs.device)
    values = values.masked_fill(rank >= most.unsqueeze(-1), -torch.inf).log_softmax(-1)
    probabilities = values.exp()
    before = probabilities.cumsum(-1) - probabilities
    # A top_p of 1 keeps all, whatever the rounding; the likeliest token is always kept.
    cut = (before >= _column(logprobs, [sampling.top_p if sampling.top_p < 1 else 2.0 for sampling in samplings])) & (
        rank > 0
    )
    values = values.masked_fill(cut, -torch.inf).log_softmax(-1)
    return torch.empty_like(values).scatter_(-1, order, values)


def _column(like: Tensor, numbers: Sequence[float]) -> Tensor:
    return torch.tensor(numbers, dtype=like.dtype, device=like.device).unsqueeze(-1)
