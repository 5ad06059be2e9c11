"""The losses of preference recipes. Pure functions of tensors, each of one number a pair.

`chosen` and `rejected` are sums of the log-probabilities of an answer's tokens, float64.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def dpo_loss(
    chosen: Tensor, rejected: Tensor, reference_chosen: Tensor, reference_rejected: Tensor, *, beta: float
) -> tuple[Tensor, Tensor]:
    """Direct preference optimisation, and the margin of the implicit rewards.

    Rafailov et al. (2023), arXiv:2305.18290, equation 7:
        loss = -log sigmoid(beta (log pi(yw|x)/ref(yw|x) - log pi(yl|x)/ref(yl|x)))
    and the reward of an answer is beta log pi(y|x)/ref(y|x), of which the margin is the difference.
    """
    margin = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    return -logsigmoid(margin), margin


def orpo_loss(
    chosen: Tensor, rejected: Tensor, chosen_tokens: Tensor, rejected_tokens: Tensor, *, beta: float
) -> tuple[Tensor, Tensor]:
    """Odds ratio preference optimisation, and the logarithm of the odds ratio.

    Hong et al. (2024), arXiv:2403.07691, equations 3 to 7, with P(y|x) the geometric mean of the probabilities of the
    answer's tokens:
        odds(y|x) = P(y|x) / (1 - P(y|x))
        loss      = -log P(yw|x) + beta (-log sigmoid(log odds(yw|x) / odds(yl|x)))
    """
    mean_chosen, mean_rejected = chosen / chosen_tokens, rejected / rejected_tokens
    ratio = _log_odds(mean_chosen) - _log_odds(mean_rejected)
    return -mean_chosen - beta * logsigmoid(ratio), ratio


def _log_odds(log_probability: Tensor) -> Tensor:
    """log p/(1-p); a probability of 1 counts as the one next to it, whose odds are finite."""
    below_one = log_probability.clamp(max=-torch.finfo(log_probability.dtype).eps)
    return below_one - torch.log(-torch.expm1(below_one))
