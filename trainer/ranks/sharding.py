"""Models whose parameters lie on several ranks, a part of each on every rank, by way of transformers.

Along `tensor` each rank computes with its part, by the plan that the family of the model has in transformers; what that
leaves is sharded over the others (FSDP2): layers are gathered for as long as they compute; what is outside of them
(embeddings, the last norm, the head) is one group that stays whole for a pass, so that the head can be applied to some
tokens at a time. Experts are dealt out whole where they are divided, along `tensor` too.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, register_fsdp_forward_method
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.distributed import DistributedConfig
from transformers.distributed.parallel_utils import ALL_PARALLEL_STYLES, replace_layer_number_by_wildcard
from transformers.distributed.tensor_parallel import TensorParallelLayer
from transformers.modeling_layers import GradientCheckpointingLayer

from trainer.errors import ConfigError
from trainer.ranks.mesh import Mesh
from trainer.ranks.schemes import EXPERT_STYLES, deals_experts, forgotten_norms, why_not

log = logging.getLogger(__name__)

COMPUTE = "compute_whole"
"""The name under which a sharded model has what runs a function while all that is outside of layers is whole."""
# It warns, of each tensor that is made whole for a file, that this takes two steps where two dimensions divide it.
logging.getLogger("torch.distributed.tensor._redistribute").setLevel(logging.ERROR)
_SUMMED, ADDED_UP = "replicated_with_grad_allreduce", "gradient_added_up"


def load_sharded(directory: Path, mesh: Mesh, dtype: torch.dtype | str, *, in_bfloat16: bool) -> Any:
    """The model of a directory over the ranks of a mesh, each of which reads its part of the files alone.

    Gradients of ranks are added up, not averaged: a loss here is a sum over tokens. Raises ConfigError where the model
    cannot be divided so.
    """
    config = AutoConfig.from_pretrained(directory, local_files_only=True)
    with torch.device("meta"):
        empty: Any = AutoModelForCausalLM.from_config(config)
    if why := why_not(empty, mesh.scheme):
        raise ConfigError(why)
    layers = _layers(empty)
    if not layers:
        log.warning("%s names no layers: all its parameters are gathered for each pass", config.model_type)
    # Plans of its own would put the head in a group apart, which is gathered for every part of the tokens.
    type(empty)._fsdp_plan, config.base_model_fsdp_plan = {}, {}
    for part in {id(each): each for each in (config, config.get_text_config())}.values():
        plan = part.base_model_ep_plan or {}
        part.base_model_ep_plan = {name: style for name, style in plan.items() if style in EXPERT_STYLES}
    spread = DistributedConfig(
        fsdp_size=mesh.fsdp_size,
        fsdp_plan=dict.fromkeys(layers, "free_full_weight") or {"": "free_full_weight"},
        fsdp_mixed_precision=in_bfloat16,
        tp_size=mesh.scheme.tensor,
        tp_plan=_changed(empty) or None,
        ep_size=mesh.scheme.experts if deals_experts(empty) else 1,
    )
    module = AutoModelForCausalLM.from_pretrained(
        directory, config=config, local_files_only=True, dtype=dtype, distributed_config=spread
    )
    for part in module.modules():
        if isinstance(part, FSDPModule):
            part.set_gradient_divide_factor(1.0)
            part.set_force_sum_reduction_for_comms(True)
    module._tp_size = None  # by that peft would gather the base to save an adapter
    setattr(module, COMPUTE, _run)
    if isinstance(module, FSDPModule):
        register_fsdp_forward_method(module, COMPUTE)
    return module


def _run(function: Callable[[], Any]) -> Any:
    return function()


def _layers(empty: nn.Module) -> list[str]:
    """The names of the layers of a model, written as transformers' plans write them."""
    names = {name for name, part in empty.named_modules() if isinstance(part, GradientCheckpointingLayer)}
    outermost = {name for name in names if not any(name.startswith(f"{other}.") for other in names)}
    return sorted({replace_layer_number_by_wildcard(name) for name in outermost})


def _changed(empty: Any) -> dict[str, str]:
    """What is done otherwise than by a plan of transformers."""
    summed = [name for name, style in empty.tp_plan.items() if style == _SUMMED]
    forgotten = [replace_layer_number_by_wildcard(name) for name, _ in forgotten_norms(empty)]
    return dict.fromkeys((*summed, *forgotten), ADDED_UP)


class _GradientAddedUp(TensorParallelLayer):
    """A parameter that is whole on every rank, each of which computes a part of its gradient.

    The library's own adds up what has been accumulated after each pass, and so what was added up before once more.
    """

    def install_forward(self, module: Any, mesh: Any) -> Any:
        forward = module.forward
        known: dict[str, nn.Parameter] = {}
        add_up = partial(_added_up, group=mesh.get_group())

        def call(*given: Any, **more: Any) -> Any:
            for name, parameter in module.named_parameters(recurse=False):
                # What a layer computes with is made when it is first gathered.
                if torch.is_grad_enabled() and parameter.requires_grad and known.get(name) is not parameter:
                    parameter.register_hook(add_up)
                    known[name] = parameter
            return forward(*given, **more)

        module.forward = call
        return module


def _added_up(slope: Tensor, group: dist.ProcessGroup) -> Tensor:
    total = slope.clone()
    dist.all_reduce(total, group=group)
    return total


ALL_PARALLEL_STYLES.register(ADDED_UP, _GradientAddedUp())
