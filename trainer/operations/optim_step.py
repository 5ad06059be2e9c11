"""optim_step: normalise, clip, step, record."""

from __future__ import annotations

import logging
import math
import time
from statistics import fmean
from typing import Any

import torch

from trainer.errors import OperationError
from trainer.held import Accumulated, HeldModel
from trainer.losses import gradient_divisor
from trainer.metrics import StepRecord
from trainer.operations.memory_use import note_memory
from trainer.operations.parts import Parts
from trainer.operations.totals import shown_loss
from trainer.ranks.norms import local, total_norm
from trainer.wire import OptimStep

log = logging.getLogger(__name__)


def optim_step(parts: Parts, request: OptimStep) -> dict[str, Any]:
    """One AdamW step on the gradients added up so far. grad_norm is that after normalisation and before clipping.

    Raises OperationError where nothing was added up, and where the gradients are not finite (they are dropped then).
    """
    model = parts.host.get(request.model_id)
    total = model.accumulated
    if not total.passes:
        raise OperationError("There are no gradients to step on. Call forward_backward before optim_step.")
    started = time.monotonic()
    norm = _scale_and_clip(parts, model, request)
    _step(model, request)
    model.step += 1
    memory = note_memory(parts)
    record = StepRecord(
        step=model.step,
        loss_per_token=_mean_loss(total),
        learning_rate=request.learning_rate,
        grad_norm=norm,
        tokens=total.tokens,
        seconds=total.seconds + time.monotonic() - started,
        peak_memory_bytes=memory.peak,
        planned_memory_bytes=memory.planned,
        memory=memory.by_part,
        longest_context=total.longest,
        reward=fmean(total.rewards) if total.rewards else None,
    )
    model.drop_gradients()
    parts.metrics.append(record)
    log.info(
        "step %d: loss/token %s, grad norm %.3g, learning rate %g, %d tokens, %.3f s",
        record.step, shown_loss(record.loss_per_token), norm, request.learning_rate, record.tokens, record.seconds,
    )  # fmt: skip
    return {
        "metrics": {"grad_norm:mean": norm, "learning_rate:mean": request.learning_rate, "step:max": float(record.step)}
    }


def _mean_loss(total: Accumulated) -> float | None:
    """The mean of what loops told, else over the tokens that count; None where there is neither, as with embeddings."""
    if total.told_losses:
        return fmean(total.told_losses)
    return total.loss / total.loss_tokens if total.loss_tokens else None


def _scale_and_clip(parts: Parts, model: HeldModel, request: OptimStep) -> float:
    total = model.accumulated
    if model.rank:
        _add_up(parts, model)
    gradients = [parameter.grad for parameter in model.parameters if parameter.grad is not None]
    own = [local(gradient) for gradient in gradients]
    divisor = gradient_divisor(request.normalization, loss_tokens=total.loss_tokens, sequences=total.sequences)
    torch._foreach_div_(own, divisor)
    norm = total_norm(gradients, parts.group)
    if not math.isfinite(norm):
        model.drop_gradients()
        raise OperationError(
            "The gradients are not finite numbers and were dropped; no step was taken. Lower the learning rate."
        )
    # As torch.nn.utils.clip_grads_with_norm_ does it, which takes no parameters of which every rank has a part.
    if request.grad_clip_norm > 0 and (share := request.grad_clip_norm / (norm + 1e-6)) < 1:
        torch._foreach_mul_(own, share)
    return norm


def _add_up(parts: Parts, model: HeldModel) -> None:
    """An adapter is whole on every rank, which has seen a part of the sequences; what is sharded is added up by then.

    What no rank has computed stays without a gradient.
    """
    if parts.group.size == 1:
        return
    computed = torch.tensor([float(parameter.grad is not None) for parameter in model.parameters])
    parts.group.add_up([computed])
    for parameter, count in zip(model.parameters, computed.tolist(), strict=True):
        if count and parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    parts.group.add_up([parameter.grad for parameter in model.parameters if parameter.grad is not None])


def _step(model: HeldModel, request: OptimStep) -> None:
    optimizer = model.ensure_optimizer()
    for group in optimizer.param_groups:
        group.update(
            lr=request.learning_rate,
            betas=(request.beta1, request.beta2),
            eps=request.eps,
            weight_decay=request.weight_decay,
        )
    optimizer.step()
