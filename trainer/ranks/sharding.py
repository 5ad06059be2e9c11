"""Models whose parameters lie on several ranks, a part of each on every rank: FSDP2, by way of transformers.

Layers are gathered for as long as they compute; what is outside of them (embeddings, the last norm, the head) is one
group that stays whole for a pass, so that the head can be applied to some tokens at a time.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.distributed.fsdp import FSDPModule, register_fsdp_forward_method
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.distributed import DistributedConfig
from transformers.modeling_layers import GradientCheckpointingLayer

log = logging.getLogger(__name__)

COMPUTE = "compute_whole"
"""The name under which a sharded model has what runs a function while all that is outside of layers is whole."""


def load_sharded(directory: Path, size: int, dtype: torch.dtype | str, *, in_bfloat16: bool) -> Any:
    """The model of a directory over that many ranks, each of which reads its part of the files alone.

    Gradients of ranks are added up, not averaged: a loss here is a sum over tokens.
    """
    config = AutoConfig.from_pretrained(directory, local_files_only=True)
    kind, layers = _kind_and_layers(config)
    if not layers:
        log.warning("%s names no layers: all its parameters are gathered for each pass", config.model_type)
    # Plans of its own would put the head in a group apart, which is gathered for every part of the tokens.
    kind._fsdp_plan, config.base_model_fsdp_plan = {}, {}
    spread = DistributedConfig(
        fsdp_size=size,
        fsdp_plan=dict.fromkeys(layers, "free_full_weight") or {"": "free_full_weight"},
        fsdp_mixed_precision=in_bfloat16,
    )
    module = AutoModelForCausalLM.from_pretrained(
        directory, config=config, local_files_only=True, dtype=dtype, distributed_config=spread
    )
    for part in module.modules():
        if isinstance(part, FSDPModule):
            part.set_gradient_divide_factor(1.0)
            part.set_force_sum_reduction_for_comms(True)
    module._tp_size = None  # 1 is what it says, and by that peft would gather the base to save an adapter
    setattr(module, COMPUTE, _run)
    register_fsdp_forward_method(module, COMPUTE)
    return module


def _run(function: Callable[[], Any]) -> Any:
    return function()


def _kind_and_layers(config: Any) -> tuple[Any, list[str]]:
    """The class of its models, and the names of their layers, written as transformers' plans write them."""
    with torch.device("meta"):
        empty: nn.Module = AutoModelForCausalLM.from_config(config)
    names = {name for name, part in empty.named_modules() if isinstance(part, GradientCheckpointingLayer)}
    outermost = {name for name in names if not any(name.startswith(f"{other}.") for other in names)}
    return type(empty), sorted({_with_star(name) for name in outermost})


def _with_star(name: str) -> str:
    return ".".join("*" if part.isdecimal() else part for part in name.split("."))
