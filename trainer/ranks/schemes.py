"""Why a model cannot be divided over ranks as a sharding scheme says, by what the library knows of its family."""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn
from transformers.distributed.parallel_utils import replace_layer_number_by_wildcard

from trainer.ranks.mesh import Scheme

_HEADS = ("num_attention_heads", "num_key_value_heads", "num_global_key_value_heads")
_NORMS = ("q_norm", "k_norm", "q_layernorm", "k_layernorm")
_MIXED = ("packed_colwise", "packed_rowwise")
"""Of these a rank has several pieces of a parameter, which torch's checkpoints take for one."""

EXPERT_STYLES = _PARTS, _DEALT = ("grouped_gemm", "ep_dispatch_experts")
"""What plans of expert parallelism say of experts. Some name other modules besides, which these would divide between
ranks that have sequences of their own."""


def deals_experts(model: Any) -> bool:
    """Whether it has experts, and the library a plan of how they are dealt out."""
    names = {replace_layer_number_by_wildcard(name) for name, _ in model.named_modules()}
    return any(style == _DEALT and name in names for name, style in model.ep_plan.items())


def forgotten_norms(model: Any) -> Iterator[tuple[str, nn.Module]]:
    """Norms of the heads of queries or keys, by name, that a family's plan of tensor parallelism does not speak of.

    Their ranks have heads of their own, and so each a part of the gradient of such a norm, or a part of its numbers.
    """
    parts = dict(model.named_modules())
    for name, norm in parts.items():
        place, _, kind = name.rpartition(".")
        if kind not in _NORMS or replace_layer_number_by_wildcard(name) in model.tp_plan:
            continue
        made = parts.get(f"{place}.{kind[0]}_proj")
        if model.tp_plan.get(replace_layer_number_by_wildcard(f"{place}.{kind[0]}_proj")) != "colwise":
            continue
        # One before the projection has all of its input, and one of all heads at once is not divided so.
        sizes = {each.shape[-1] for each in norm.parameters(recurse=False)}
        if sizes == {getattr(parts[place], "head_dim", None)} and made.in_features not in sizes:
            yield name, norm


def why_not(model: Any, scheme: Scheme) -> str:
    """In words; "" where it can. The model may be empty of content."""
    return _of_layers(model, scheme.tensor) or _of_experts(model, scheme)


def _of_layers(model: Any, degree: int) -> str:
    kind, config = model.config.model_type, model.config.get_text_config()
    if degree == 1:
        return ""
    if not model.config.base_model_tp_plan and not config.base_model_tp_plan:
        return (
            f"The library has no plan of how layers of {kind} are divided, so that tensor parallelism {degree} is not "
            "possible. Use a shape without it."
        )
    for name in _HEADS:
        if (count := getattr(config, name, None)) and count % degree:
            return f"This {kind} has {count} {name}, which do not divide by tensor parallelism {degree}."
    whole = [name for name, norm in forgotten_norms(model) if any(each.dim() > 1 for each in norm.parameters())]
    if whole:
        return (
            f"The library's plan of how layers of {kind} are divided leaves {whole[0]} whole, which has numbers of its "
            f"own for each head, so that tensor parallelism {degree} is not possible. Use a shape without it."
        )
    experts = [name for name, style in model.ep_plan.items() if style == _DEALT]
    mixed = [
        name
        for name, style in model.tp_plan.items()
        if style in _MIXED and not any(name.startswith(f"{each}.") for each in experts)
    ]
    if mixed:
        return f"A rank would have several pieces of {mixed[0]} of {kind} by tensor parallelism, which cannot be saved."
    return ""


def _of_experts(model: Any, scheme: Scheme) -> str:
    kind = model.config.model_type
    if not deals_experts(model):
        if scheme.expert == 1:
            return ""
        return (
            f"This {kind} has no experts, or the library no plan of how they are dealt out, so that expert parallelism "
            f"{scheme.expert} is not possible. Use a shape without it."
        )
    experts = [part for name, part in model.named_modules() if name.endswith(".experts")]
    counts = {part.num_experts for part in experts if hasattr(part, "num_experts")}
    if wrong := next((count for count in sorted(counts) if count % scheme.experts), None):
        return f"The {wrong} experts of a layer of this {kind} do not divide by {scheme.experts} ({scheme})."
    return ""
