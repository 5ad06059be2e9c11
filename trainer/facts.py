"""What is known of the base weights once they are loaded."""

# mypy: allow-untyped-calls

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from trainer.errors import OperationError
from trainer.logprobs import Compute, at_once, comes_apart, why_padded
from trainer.wire import CreateModel


@dataclass(frozen=True)
class BaseFacts:
    """What is known of the base weights once they are loaded.

    linear: its linear modules by name, and how many parameters an adapter of rank 1 has at each; output: the name of
    that which makes the logits. comes_apart: whether that makes them alone, so that they need not be made all at once.
    padded: why sequences have to be padded, "" where several lie in one row. experts: parameters of experts, which are
    no linear modules and get no adapter.
    """

    parameters: int
    vocabulary: int
    architecture: str
    linear: dict[str, int]
    output: str | None
    comes_apart: bool
    padded: str
    experts: int


def base_facts(module: Any, compute: Compute = at_once) -> BaseFacts:
    output = module.get_output_embeddings()
    linear = {
        name: part
        for name, part in module.named_modules()
        if isinstance(part, nn.Linear) or type(part).__name__ == "Conv1D"
    }
    apart = comes_apart(module, module.device, compute)
    return BaseFacts(
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        vocabulary=int(module.get_input_embeddings().num_embeddings),
        architecture=str(module.config.model_type),
        linear={name: sum(part.weight.shape) for name, part in linear.items()},
        output=next((name for name, part in linear.items() if part is output), None),
        comes_apart=apart,
        padded=why_padded(module, module.device, compute) if apart else "its logits come from more than its head",
        experts=sum(part.numel() for name, part in module.named_parameters() if ".experts." in name and part.dim() > 2),
    )


def adapted_modules(facts: BaseFacts, request: CreateModel) -> list[str]:
    """Names of the linear modules that get an adapter, by the parts of the model that the request wants trained.

    Raises OperationError where they are none, and where experts were to be among them.
    """
    if facts.experts and request.train_mlp:
        raise OperationError(
            f"LoRA adapts linear modules, and the experts of this model ({facts.experts:,} parameters) are none. Set "
            "lora_config.train_mlp to false to adapt the rest, or launch a shape that trains all parameters."
        )

    def is_wanted(name: str) -> bool:
        if name == facts.output:
            return request.train_unembed
        return request.train_attn if "attn" in name or "attention" in name else request.train_mlp

    chosen = [name for name in facts.linear if is_wanted(name)]
    if not chosen:
        raise OperationError("lora_config trains nothing: set train_attn, train_mlp or train_unembed.")
    return chosen
