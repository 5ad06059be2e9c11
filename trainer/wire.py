"""Request bodies of the operations, checked field by field into frozen dataclasses. Pure: no torch, no state.

Those of forward and forward_backward are in trainer/passes.py. Every error is an OperationError of status 422 that
names the field by its path in the body (`adam_params.beta1`) and what it should have been.
Source of the shapes: the request types of the official SDK (`fireworks.training.sdk`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trainer.errors import OperationError
from trainer.fields import Fields, refuse, shown

EXPORT_PRECISIONS = ("source", "bf16")
NORMALIZATIONS = ("none", "num_loss_tokens", "num_sequences")


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
