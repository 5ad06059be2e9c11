"""Request bodies of the operations, checked field by field into frozen dataclasses. Pure: no torch, no state.

Every error is an OperationError of status 422 that names the field by its path in the body
(`forward_backward_input.data[3].loss_fn_inputs.weights`) and what it should have been.
Source of the shapes: the request types of the official SDK (`fireworks.training.sdk`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from trainer.errors import OperationError
from trainer.fields import Fields, is_number, refuse, shown

LOSS_INPUTS = {
    "cross_entropy": ("target_tokens", "weights"),
    "importance_sampling": ("target_tokens", "logprobs", "advantages", "weights"),
    "ppo": ("target_tokens", "logprobs", "advantages", "weights"),
}
OPTIONAL_INPUTS = ("weights",)
MASK = "loss_mask"
"""What recipes call the weights of sequences that are only scored; it is taken where no weights are sent."""
ID_LIMIT = 2**63
IGNORED = -100
"""A target that is no token: it has weight 0, log-probability 0.0, and is not counted, as everywhere in PyTorch."""
EXPORT_PRECISIONS = ("source", "bf16")
NORMALIZATIONS = ("none", "num_loss_tokens", "num_sequences")
LOSS_SETTINGS = {"clip_low_threshold": 0.8, "clip_high_threshold": 1.2, "ratio_log_cap": math.inf}
SETTINGS_OF = {"importance_sampling": ("ratio_log_cap",), "ppo": tuple(LOSS_SETTINGS)}
"""By loss what `loss_fn_config` may say; the numbers are the defaults."""
REWARD = "reward"
"""What it may say of any loss, to be put on record: the mean reward of what is trained on. It changes no loss."""
TOLD_LOSS = "loss"
"""The same: the loss that a loop computed by itself, and of which it sends the gradient as weights."""


@dataclass(frozen=True)
class CreateModel:
    session_id: str
    base_model: str
    base_only: bool
    rank: int
    alpha: int
    seed: int | None
    train_attn: bool
    train_mlp: bool
    train_unembed: bool


@dataclass(frozen=True)
class Datum:
    """One sequence: token ids, and one number per token for each input of the loss. Targets may be IGNORED."""

    tokens: list[int]
    inputs: dict[str, list[float]]


@dataclass(frozen=True)
class Pass:
    """A forward pass over `data`, with gradients where `backward`.

    clip_* bound the probability ratio (ppo only), ratio_log_cap the size of its logarithm, before them.
    reward and told_loss are only put on record.
    """

    model_id: str
    data: list[Datum]
    loss_fn: str
    clip_low: float
    clip_high: float
    ratio_log_cap: float
    backward: bool
    reward: float | None = None
    told_loss: float | None = None


@dataclass(frozen=True)
class OptimStep:
    model_id: str
    learning_rate: float
    beta1: float
    beta2: float
    eps: float
    weight_decay: float
    grad_clip_norm: float
    normalization: str


@dataclass(frozen=True)
class SaveWeights:
    model_id: str
    name: str | None


@dataclass(frozen=True)
class SaveForSampler(SaveWeights):
    """merged: the adapter folded into its base, in the base's precision, or in bfloat16 where `bf16`."""

    merged: bool = False
    bf16: bool = False


@dataclass(frozen=True)
class LoadWeights:
    model_id: str
    reference: str
    optimizer: bool


@dataclass(frozen=True)
class LoadAdapter:
    model_id: str
    name: str


@dataclass(frozen=True)
class UnloadModel:
    model_id: str


def parse_create_model(body: Any) -> CreateModel:
    fields = Fields(body)
    if fields.value.get("projection_head_dim"):
        raise OperationError("projection_head_dim is not supported by this trainer; leave it out.")
    lora = Fields(fields.value.get("lora_config") or {}, "lora_config")
    if lora.value.get("init_method") not in (None, "kaiming"):
        method = shown(lora.value["init_method"])
        raise OperationError(f"lora_config.init_method {method} is not supported; use 'kaiming'.")
    rank = lora.integer("rank", 0, 0) or 0
    return CreateModel(
        session_id=fields.text("session_id"),
        base_model=fields.text("base_model"),
        base_only=fields.flag("base_only", False),
        rank=rank,
        alpha=lora.integer("alpha", 2 * rank, 1) or 0,
        seed=lora.integer("seed", None, 0),
        train_attn=lora.flag("train_attn", True),
        train_mlp=lora.flag("train_mlp", True),
        train_unembed=lora.flag("train_unembed", True),
    )


def parse_forward(body: Any) -> Pass:
    return _parse_pass(Fields(body), "forward_input", backward=False)


def parse_forward_backward(body: Any) -> Pass:
    return _parse_pass(Fields(body), "forward_backward_input", backward=True)


def parse_optim_step(body: Any) -> OptimStep:
    fields = Fields(body)
    adam = fields.child("adam_params")
    normalization = fields.value.get("grad_accumulation_normalization") or "none"
    if normalization not in NORMALIZATIONS:
        raise refuse("grad_accumulation_normalization", f"one of {', '.join(NORMALIZATIONS)}", normalization)
    return OptimStep(
        model_id=fields.text("model_id"),
        learning_rate=adam.number("learning_rate", 1e-4),
        beta1=adam.number("beta1", 0.9, below=1.0),
        beta2=adam.number("beta2", 0.95, below=1.0),
        eps=adam.number("eps", 1e-12),
        weight_decay=adam.number("weight_decay", 0.0),
        grad_clip_norm=adam.number("grad_clip_norm", 0.0),
        normalization=normalization,
    )


def parse_save_weights(body: Any) -> SaveWeights:
    fields = Fields(body)
    if fields.flag("overwrite", False):
        raise OperationError("overwrite is not supported: a saved checkpoint never changes. Save under a new name.")
    name = fields.text("path") if fields.value.get("path") is not None else None
    return SaveWeights(model_id=fields.text("model_id"), name=name)


def parse_save_for_sampler(body: Any) -> SaveForSampler:
    saved = parse_save_weights(body)
    merged = Fields(body).value.get("checkpoint_type") == "merged_base"
    precision = Fields(body).value.get("export_precision")
    if precision not in (None, *EXPORT_PRECISIONS):
        raise refuse("export_precision", f"one of {', '.join(EXPORT_PRECISIONS)} here", precision)
    return SaveForSampler(saved.model_id, saved.name, merged, precision == "bf16")


def parse_load_weights(body: Any) -> LoadWeights:
    fields = Fields(body)
    return LoadWeights(fields.text("model_id"), fields.text("path"), fields.flag("optimizer", False))


def parse_load_adapter(body: Any) -> LoadAdapter:
    fields = Fields(body)
    return LoadAdapter(fields.text("model_id"), fields.text("adapter_path"))


def parse_unload_model(body: Any) -> UnloadModel:
    return UnloadModel(Fields(body).text("model_id"))


def _parse_pass(fields: Fields, name: str, *, backward: bool) -> Pass:
    given = fields.child(name)
    loss_fn = given.text("loss_fn")
    if loss_fn not in LOSS_INPUTS:
        raise refuse(given.where("loss_fn"), f"one of {', '.join(LOSS_INPUTS)}", loss_fn)
    config = Fields(given.value.get("loss_fn_config") or {}, given.where("loss_fn_config"))
    low, high, cap = _loss_settings(config, loss_fn)
    rows = given.require("data")
    if not isinstance(rows, list) or not rows:
        raise refuse(given.where("data"), "a list of at least one datum", rows)
    data = [_parse_datum(Fields(row, f"{given.where('data')}[{index}]"), loss_fn) for index, row in enumerate(rows)]
    return Pass(
        fields.text("model_id"),
        data,
        loss_fn,
        low,
        high,
        cap,
        backward,
        _told(config, REWARD),
        _told(config, TOLD_LOSS),
    )


def _told(config: Fields, name: str) -> float | None:
    return None if config.value.get(name) is None else config.number(name, 0.0, minimum=-math.inf)


def _loss_settings(config: Fields, loss_fn: str) -> tuple[float, float, float]:
    """Both clip thresholds and the cap."""
    allowed = (*SETTINGS_OF.get(loss_fn, ()), REWARD, TOLD_LOSS)
    for key, value in config.value.items():
        if value is not None and key not in allowed:
            raise OperationError(
                f"{config.where(key)} is not known for loss {loss_fn}; known: {', '.join(allowed)}.", 422
            )
    low, high, cap = (config.number(key, default) for key, default in LOSS_SETTINGS.items())
    if low > high:
        raise OperationError(
            f"{config.where('clip_low_threshold')} {low:g} is above clip_high_threshold {high:g}.", 422
        )
    if cap <= 0:
        raise refuse(config.where("ratio_log_cap"), "a number above 0", cap)
    return low, high, cap


def _parse_datum(row: Fields, loss_fn: str) -> Datum:
    tokens = _parse_tokens(row.child("model_input"))
    inputs = row.child("loss_fn_inputs")
    names = LOSS_INPUTS[loss_fn]
    if unknown := sorted(set(inputs.value) - {*names, MASK}):
        raise OperationError(
            f"{inputs.where(unknown[0])} is not an input of loss {loss_fn}; it takes {', '.join(names)}.", 422
        )
    sent = {name: MASK if name == "weights" and inputs.value.get(name) is None else name for name in names}
    wanted = {
        name: key for name, key in sent.items() if name not in OPTIONAL_INPUTS or inputs.value.get(key) is not None
    }
    return Datum(tokens, {name: _parse_tensor(inputs.child(key), name, len(tokens)) for name, key in wanted.items()})


def _parse_tokens(model_input: Fields) -> list[int]:
    chunks = model_input.require("chunks")
    if not isinstance(chunks, list):
        raise refuse(model_input.where("chunks"), "a list", chunks)
    tokens: list[int] = []
    for index, value in enumerate(chunks):
        chunk = Fields(value, f"{model_input.where('chunks')}[{index}]")
        if (kind := chunk.value.get("type", "encoded_text")) != "encoded_text":
            raise OperationError(
                f"{chunk.where('type')} {shown(kind)} is not supported; this trainer takes encoded_text only.", 422
            )
        tokens += _whole_numbers(chunk.require("tokens"), chunk.where("tokens"))
    if not tokens:
        raise OperationError(f"{model_input.where('chunks')} holds no token.", 422)
    return tokens


def _parse_tensor(tensor: Fields, name: str, length: int) -> list[float]:
    if tensor.value.get("sparse_crow_indices") is not None:
        raise OperationError(f"{tensor.path} is sparse; send it dense.", 422)
    shape = tensor.value.get("shape")
    if shape is not None and shape != [length]:
        raise refuse(tensor.where("shape"), f"[{length}], one number for each token of model_input", shape)
    data: list[float] = tensor.require("data")
    if name == "target_tokens":
        data = [*_whole_numbers(data, tensor.where("data"), but=IGNORED)]
    elif not isinstance(data, list):
        raise refuse(tensor.where("data"), "a list of finite numbers", data)
    elif wrong := next(((index, item) for index, item in enumerate(data) if not is_number(item)), None):
        raise refuse(f"{tensor.where('data')}[{wrong[0]}]", "a finite number", wrong[1])
    if len(data) != length:
        raise OperationError(
            f"{tensor.where('data')} holds {len(data)} numbers for {length} tokens; they must be as many.", 422
        )
    return data


def _whole_numbers(value: Any, where: str, *, but: int = 0) -> list[int]:
    """A list of token ids; `but` is the one number below 0 that is let through."""
    wanted = "a list of whole numbers of at least 0" + (f", or {but} for a target that does not count" if but else "")
    if not isinstance(value, list):
        raise refuse(where, wanted, value)
    allowed = (type(item) is int and (0 <= item < ID_LIMIT or item == but) for item in value)
    wrong = next((index for index, good in enumerate(allowed) if not good), None)
    if wrong is not None:
        raise refuse(f"{where}[{wrong}]", wanted.replace("a list of whole numbers", "a whole number"), value[wrong])
    return value
