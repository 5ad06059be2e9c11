"""The loss functions and gradient normalisations. Pure functions of tensors.

Every loss is a SUM over tokens and is never divided by a sum of weights: a client may send -dL/dlogprob as the
weights of a cross_entropy call to train any loss of its own, and weights may be negative.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

Inputs = dict[str, Tensor]


def token_losses(
    loss_fn: str,
    logprobs: Tensor,
    inputs: Inputs,
    *,
    clip_low: float = 0.8,
    clip_high: float = 1.2,
    ratio_log_cap: float = math.inf,
) -> Tensor:
    """Loss of each token; the loss of the call is their sum.

    logprobs: log-probability of each target token under the trained model, any shape.
    inputs, of that same shape: `weights` (default 1); `logprobs` of the policy that sampled the tokens and `advantages`
    for importance_sampling and ppo. clip_low and clip_high bound the ratio of the two policies (ppo), ratio_log_cap
    the size of its logarithm.

    cross_entropy         -weight * logprob
    importance_sampling   -weight * ratio * advantage
    ppo                   -weight * min(ratio * advantage, clip(ratio) * advantage)     (Schulman et al., 2017)
    """
    if loss_fn == "cross_entropy":
        objective = logprobs
    else:
        ratio = torch.exp((logprobs - inputs["logprobs"]).clamp(-ratio_log_cap, ratio_log_cap))
        objective = ratio * inputs["advantages"]
        if loss_fn == "ppo":
            objective = torch.minimum(objective, ratio.clamp(clip_low, clip_high) * inputs["advantages"])
        elif loss_fn != "importance_sampling":
            raise ValueError(f"unknown loss {loss_fn}")
    weights = inputs.get("weights")
    return -objective if weights is None else -objective * weights


def is_loss_token(inputs: Inputs, like: Tensor) -> Tensor:
    """Which tokens can move the model: weight and advantage (where the loss has them) are both other than 0."""
    counted = torch.ones_like(like, dtype=torch.bool)
    for name in ("weights", "advantages"):
        if name in inputs:
            counted &= inputs[name] != 0
    return counted


def gradient_divisor(normalization: str, *, loss_tokens: int, sequences: int) -> int:
    """What accumulated gradients are divided by before clipping: at least 1, so that an empty batch divides by 1."""
    return max(1, {"none": 1, "num_loss_tokens": loss_tokens, "num_sequences": sequences}[normalization])
