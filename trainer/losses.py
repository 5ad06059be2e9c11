"""The loss functions and gradient normalisations. Pure functions of tensors.

Every loss is a SUM over tokens and is never divided by a sum of weights: a client may send -dL/dlogprob as the
weights of a cross_entropy call to train any loss of its own, and weights may be negative.

Sources, named at each formula:
[tinker]    docs of the API that the SDK speaks, tinker-docs.thinkingmachines.ai/tinker/losses
[cookbook]  github.com/fw-ai/cookbook, training/utils/rl: the losses, and in its history builtin.py, which says under
            which names the settings are sent to a trainer
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from trainer.passes import (
    BETA,
    CLIP_HIGH,
    CLIP_LOW,
    DUAL_CLIP,
    LOSSES,
    RATIO_LOG_CAP,
    RESPONSE_MASK,
    SEQUENCE_LOG_CAP,
    WEIGHTS,
)

Inputs = dict[str, Tensor]
Settings = Mapping[str, float | None]


def token_losses(loss_fn: str, logprobs: Tensor, inputs: Inputs, settings: Settings | None = None) -> Tensor:
    """Loss of each token; the loss of the call is their sum.

    logprobs: log-probability of each target token under the trained model; for gspo [sequences, tokens], else of any
    shape. inputs, of that same shape: `weights` (default 1); for all but cross_entropy `logprobs` of the policy that
    sampled the tokens, and `advantages`. settings are those of the loss in trainer.passes.LOSSES, by default its own.
    """
    losses = _FORMULAS[loss_fn](logprobs, inputs, {**LOSSES[loss_fn].settings, **(settings or {})})
    weights = inputs.get(WEIGHTS)
    return losses if weights is None else losses * weights


def cross_entropy(logprobs: Tensor, _inputs: Inputs, _settings: Settings) -> Tensor:
    """-logprob: `elementwise_loss = -target_logprobs * weights` [tinker, cross-entropy].

    With [N, K] targets, -sum over t and k of w[t, k] log p(x[t, k]) [tinker, cross-entropy, top-K distillation].
    """
    return -logprobs


def importance_sampling(logprobs: Tensor, inputs: Inputs, settings: Settings) -> Tensor:
    """-ratio * A: `loss = -(prob_ratio * advantages).sum()` [tinker, importance sampling].

    `ratio_log_cap` bounds the size of the ratio's logarithm before its exponential [cookbook, is_loss.py]; without
    it there is no bound, as with [tinker].
    """
    return -_ratio(logprobs, inputs, settings) * inputs["advantages"]


def ppo(logprobs: Tensor, inputs: Inputs, settings: Settings) -> Tensor:
    """-min(ratio * A, clip(ratio, low, high) * A), low 0.8 and high 1.2 [tinker, PPO; Schulman et al., 2017]."""
    ratio, advantages = _ratio(logprobs, inputs, settings), inputs["advantages"]
    return -torch.minimum(ratio * advantages, _clipped(ratio, settings) * advantages)


def cispo(logprobs: Tensor, inputs: Inputs, settings: Settings) -> Tensor:
    """-clip(ratio, low, high).detach() * logprob * A [tinker, CISPO; MiniMax-M1, arXiv:2506.13585].

    Defaults: eps_low 0.2 and eps_high 0.28, so 0.8 and 1.28, and a `ratio_log_cap` of 20 [cookbook, cispo.py].
    """
    return -_clipped(_ratio(logprobs, inputs, settings), settings).detach() * logprobs * inputs["advantages"]


def dro(logprobs: Tensor, inputs: Inputs, settings: Settings) -> Tensor:
    """-(logprob * A - beta / 2 * (logprob - sampled)^2) [tinker, DRO; Richemond et al., arXiv:2405.19107].

    The penalty holds where A is 0 too; `mask` or `weights` leave prompts out. Default: beta 0.05 [cookbook, dro.py].
    """
    penalty = 0.5 * _of(settings, BETA) * (logprobs - inputs["logprobs"]) ** 2
    return penalty - logprobs * inputs["advantages"]


def dapo(logprobs: Tensor, inputs: Inputs, settings: Settings) -> Tensor:
    """ppo with a higher upper bound [Yu et al., arXiv:2503.14476], and with `eps_clip_c` bounded for A < 0 by -c * A.

    -min(ratio * A, clip(ratio, low, high) * A), and where A < 0 no more than -c * A: dual clip [Ye et al.,
    arXiv:1912.09729]. Defaults: eps_clip 0.2 and eps_clip_high 0.28, so 0.8 and 1.28; no eps_clip_c, which is above 1;
    a `ratio_log_cap` of 20 [cookbook, dapo.py].
    """
    losses, advantages, dual = ppo(logprobs, inputs, settings), inputs["advantages"], settings[DUAL_CLIP]
    return losses if dual is None else torch.where(advantages < 0, losses.minimum(-dual * advantages), losses)


def gspo(logprobs: Tensor, inputs: Inputs, settings: Settings) -> Tensor:
    """ppo of one ratio a sequence, the geometric mean of its tokens' [GSPO-token, Zheng et al., arXiv:2507.18071].

    s[t] = sg(exp(mean over the sequence of log ratio)) * p[t] / sg(p[t]); -min(s * A, clip(s, low, high) * A).
    `seq_ratio_log_cap` bounds log s from above [cookbook, gspo.py]. The sequence is where `response_mask` is not 0.
    Defaults: clip ratios 0.2, so 0.8 and 1.2, and a cap of 10 [cookbook, gspo.py].
    """
    member = inputs[RESPONSE_MASK] != 0
    logs = (logprobs - inputs["logprobs"]).detach().masked_fill(~member, 0.0)
    mean = logs.sum(-1, keepdim=True) / member.sum(-1, keepdim=True).clamp(min=1)
    ratio = torch.exp((logprobs - logprobs.detach() + mean).clamp(max=_of(settings, SEQUENCE_LOG_CAP)))
    advantages = inputs["advantages"]
    return -torch.minimum(ratio * advantages, _clipped(ratio, settings) * advantages)


_FORMULAS: dict[str, Callable[[Tensor, Inputs, Settings], Tensor]] = {
    formula.__name__: formula for formula in (cross_entropy, importance_sampling, ppo, cispo, dro, dapo, gspo)
}


def _of(settings: Settings, name: str) -> float:
    value = settings[name]
    assert value is not None  # only dual clip may be off
    return value


def _ratio(logprobs: Tensor, inputs: Inputs, settings: Settings) -> Tensor:
    cap = _of(settings, RATIO_LOG_CAP)
    return torch.exp((logprobs - inputs["logprobs"]).clamp(-cap, cap))


def _clipped(ratio: Tensor, settings: Settings) -> Tensor:
    return ratio.clamp(_of(settings, CLIP_LOW), _of(settings, CLIP_HIGH))


def is_loss_token(loss_fn: str, inputs: Inputs, like: Tensor) -> Tensor:
    """Which tokens can move the model: neither weight nor, but for dro, advantage (where there are such) is 0."""
    counted = torch.ones_like(like, dtype=torch.bool)
    for name in (WEIGHTS,) if loss_fn == "dro" else (WEIGHTS, "advantages"):
        if name in inputs:
            counted &= inputs[name] != 0
    return counted


def gradient_divisor(normalization: str, *, loss_tokens: int, sequences: int) -> int:
    """What accumulated gradients are divided by before clipping: at least 1, so that an empty batch divides by 1."""
    return max(1, {"none": 1, "num_loss_tokens": loss_tokens, "num_sequences": sequences}[normalization])
