"""Request bodies of forward and forward_backward: the losses there are, what each takes, and its sequences. Pure.

Every error is an OperationError of status 422 that names the field by its path in the body
(`forward_backward_input.data[3].loss_fn_inputs.weights`) and what it should have been.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainer.embeddings import EmbeddingPass, parse_embedding
from trainer.errors import OperationError
from trainer.fields import Fields, refuse
from trainer.sequences import IGNORED, Datum, finite_numbers, parse_tokens, whole_numbers

TARGETS, WEIGHTS, MASK, RECIPE_MASK, RESPONSE_MASK = "target_tokens", "weights", "mask", "loss_mask", "response_mask"
"""`mask` multiplies the weights. Recipes call the weights of sequences that are only scored `loss_mask`: it is taken
where no weights are sent. `response_mask` says of which tokens gspo takes the ratio; else of those that it counts."""
REWARD = "reward"
"""What `loss_fn_config` may say of any loss, to be put on record: the mean reward of what is trained on."""
TOLD_LOSS = "loss"
"""The same: the loss that a loop computed by itself, and of which it sends the gradient as weights."""
CLIP_LOW, CLIP_HIGH, RATIO_LOG_CAP = "clip_low_threshold", "clip_high_threshold", "ratio_log_cap"
BETA, DUAL_CLIP, SEQUENCE_LOG_CAP = "beta", "eps_clip_c", "seq_ratio_log_cap"


@dataclass(frozen=True)
class Loss:
    """What a loss takes: its inputs beside targets and weights, and its settings with their defaults.

    A setting whose default is None is off until it is sent. trainer/losses.py has formulas and sources.
    """

    inputs: tuple[str, ...]
    settings: Mapping[str, float | None]
    optional: tuple[str, ...] = ()


_RATIO = ("logprobs", "advantages")
LOSSES = {
    "cross_entropy": Loss((), {}),
    "importance_sampling": Loss(_RATIO, {RATIO_LOG_CAP: math.inf}),
    "ppo": Loss(_RATIO, {CLIP_LOW: 0.8, CLIP_HIGH: 1.2, RATIO_LOG_CAP: math.inf}),
    "cispo": Loss(_RATIO, {CLIP_LOW: 0.8, CLIP_HIGH: 1.28, RATIO_LOG_CAP: 20.0}),
    "dro": Loss(_RATIO, {BETA: 0.05}),
    "dapo": Loss(_RATIO, {CLIP_LOW: 0.8, CLIP_HIGH: 1.28, RATIO_LOG_CAP: 20.0, DUAL_CLIP: None}),
    "gspo": Loss(_RATIO, {CLIP_LOW: 0.8, CLIP_HIGH: 1.2, SEQUENCE_LOG_CAP: 10.0}, (RESPONSE_MASK,)),
}
WITHOUT_FORMULA = ("dppo", "reinforce")
"""Losses that the SDK can name, and of which no public source says what a trainer computes and by which settings."""
_ABOVE = {RATIO_LOG_CAP: 0.0, SEQUENCE_LOG_CAP: 0.0, DUAL_CLIP: 1.0}


@dataclass(frozen=True)
class Pass:
    """A forward pass over `data`, with gradients where `backward`.

    settings: those of the loss, all of them. reward and told_loss are only put on record.
    """

    model_id: str
    data: list[Datum]
    loss_fn: str
    settings: Mapping[str, float | None]
    backward: bool
    reward: float | None = None
    told_loss: float | None = None


def parse_forward(body: Any) -> Pass | EmbeddingPass:
    return _parse_pass(Fields(body), "forward_input", backward=False)


def parse_forward_backward(body: Any) -> Pass | EmbeddingPass:
    return _parse_pass(Fields(body), "forward_backward_input", backward=True)


def _parse_pass(fields: Fields, name: str, *, backward: bool) -> Pass | EmbeddingPass:
    given = fields.child(name)
    loss_fn = given.text("loss_fn")
    if loss_fn in WITHOUT_FORMULA:
        raise OperationError(
            f"{given.where('loss_fn')} {loss_fn} is not supported: no public source gives its formula. "
            f"Use one of {', '.join(LOSSES)}, or send the gradients of a loss of your own (forward_backward_custom).",
            422,
        )
    if loss_fn not in LOSSES:
        raise refuse(given.where("loss_fn"), f"one of {', '.join(LOSSES)}", loss_fn)
    config = Fields(given.value.get("loss_fn_config") or {}, given.where("loss_fn_config"))
    rows = given.require("data")
    if not isinstance(rows, list) or not rows:
        raise refuse(given.where("data"), "a list of at least one datum", rows)
    data = [Fields(row, f"{given.where('data')}[{index}]") for index, row in enumerate(rows)]
    if config.value.get("output") not in (None, "logprobs"):
        return parse_embedding(fields.text("model_id"), config, data, backward=backward)
    settings = _parse_settings(config, loss_fn)
    return Pass(
        fields.text("model_id"),
        [_parse_datum(row, loss_fn) for row in data],
        loss_fn,
        settings,
        backward,
        _told(config, REWARD),
        _told(config, TOLD_LOSS),
    )


def _told(config: Fields, name: str) -> float | None:
    return None if config.value.get(name) is None else config.number(name, 0.0, minimum=-math.inf)


def _parse_settings(config: Fields, loss_fn: str) -> dict[str, float | None]:
    known = LOSSES[loss_fn].settings
    allowed = (*known, REWARD, TOLD_LOSS, "output")
    for key, value in config.value.items():
        if value is not None and key not in allowed:
            raise OperationError(
                f"{config.where(key)} is not known for loss {loss_fn}; known: {', '.join(allowed)}.", 422
            )
    settings = {
        key: default if config.value.get(key) is None else config.number(key, 0.0) for key, default in known.items()
    }
    low, high = settings.get(CLIP_LOW), settings.get(CLIP_HIGH)
    if low is not None and high is not None and low > high:
        raise OperationError(f"{config.where(CLIP_LOW)} {low:g} is above {CLIP_HIGH} {high:g}.", 422)
    for key, least in _ABOVE.items():
        if (value := settings.get(key)) is not None and value <= least:
            raise refuse(config.where(key), f"a number above {least:g}", value)
    return settings


def _parse_datum(row: Fields, loss_fn: str) -> Datum:
    tokens = parse_tokens(row.child("model_input"))
    inputs = row.child("loss_fn_inputs")
    loss = LOSSES[loss_fn]
    taken = (TARGETS, WEIGHTS, MASK, *loss.inputs, *loss.optional)
    if unknown := sorted(set(inputs.value) - {*taken, RECIPE_MASK}):
        raise OperationError(
            f"{inputs.where(unknown[0])} is not an input of loss {loss_fn}; it takes {', '.join(taken)}.", 422
        )
    width = _parse_width(inputs.child(TARGETS), loss_fn, len(tokens))
    sent = [name for name in (*taken, RECIPE_MASK) if inputs.value.get(name) is not None]
    numbers = {
        name: _parse_tensor(inputs.child(name), name, len(tokens), width)
        for name in dict.fromkeys((TARGETS, *loss.inputs, *sent))
    }
    mask, only_scored = numbers.pop(MASK, None), numbers.pop(RECIPE_MASK, None)
    weights = numbers.get(WEIGHTS, only_scored)
    if mask is not None:
        weights = mask if weights is None else [weight * each for weight, each in zip(weights, mask, strict=True)]
    if weights is not None:
        numbers[WEIGHTS] = weights
    if RESPONSE_MASK in loss.optional and RESPONSE_MASK not in numbers:
        counted = zip(numbers["advantages"], weights or numbers["advantages"], strict=True)
        numbers[RESPONSE_MASK] = [float(advantage != 0 and weight != 0) for advantage, weight in counted]
    return Datum(tokens, numbers, width)


def _parse_width(targets: Fields, loss_fn: str, length: int) -> int | None:
    """K of targets of shape [N, K], which only cross_entropy takes: the best tokens of a teacher, say."""
    match targets.value.get("shape"):
        case [int(rows), int(width)] if loss_fn == "cross_entropy" and rows == length and width > 0:
            return width
        case _:
            return None


def _parse_tensor(tensor: Fields, name: str, length: int, width: int | None) -> list[float]:
    if tensor.value.get("sparse_crow_indices") is not None:
        raise OperationError(f"{tensor.path} is sparse; send it dense.", 422)
    shape = tensor.value.get("shape")
    if width is not None and shape != [length, width]:
        raise refuse(tensor.where("shape"), f"[{length}, {width}], that of {TARGETS}", shape)
    if width is None and shape is not None and shape != [length]:
        raise refuse(tensor.where("shape"), f"[{length}], one number for each token of model_input", shape)
    data: list[float] = tensor.require("data")
    if name == TARGETS:
        data = [*whole_numbers(data, tensor.where("data"), but=IGNORED)]
    else:
        data = finite_numbers(data, tensor.where("data"))
    if len(data) != length * (width or 1):
        each = f" of {width} targets each" if width is not None else ""
        raise OperationError(
            f"{tensor.where('data')} holds {len(data)} numbers for {length} tokens{each}; they must be as many.", 422
        )
    return data
