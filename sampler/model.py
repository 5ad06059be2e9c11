"""One set of whole weights, and the adapters on it. Only the engine's thread calls what computes or changes it."""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from trainer.adapters import PREFIX, Adapter
from trainer.errors import OperationError
from trainer.fields import shown

ATTENTION = {"full_attention", "sliding_attention", "chunked_attention"}
Shapes = Mapping[str, tuple[int, ...]]


class Model:
    """Weights in evaluation mode; float32 on a processor, as the trainer holds them there."""

    def __init__(self, module: Any) -> None:
        self.device = next(module.parameters()).device
        self.vocabulary = int(module.get_input_embeddings().num_embeddings)
        self.shapes: Shapes = {
            name: tuple(each.shape) for name, each in module.named_parameters(remove_duplicate=False)
        }
        self.has_experts = any(".experts" in name for name in self.shapes)
        self._module = module
        self._selected: str | None = None

    def check_adapter(self, adapter: Adapter) -> None:
        """Raise OperationError where it adapts what this model does not have, or in other sizes."""
        for name, tensor in adapter.tensors.items():
            part, _, end = name.removeprefix(PREFIX).rpartition(".lora_")
            shape = self.shapes.get(f"{part}.weight")
            if shape is None or len(shape) != 2:
                raise OperationError(f"The adapter adapts {shown(part)}, which the base model does not have.")
            wanted = shape[1] if end.startswith("A") else shape[0]
            has = tensor.shape[1] if end.startswith("A") else tensor.shape[0]
            if has != wanted:
                raise OperationError(
                    f"The adapter's {shown(name)} is of size {has}; the base model's {part} needs {wanted}."
                )

    def attach(self, name: str, adapter: Adapter) -> None:
        config = LoraConfig(
            r=adapter.rank,
            lora_alpha=adapter.alpha,
            lora_dropout=0.0,
            target_modules=list(adapter.modules),
            task_type="CAUSAL_LM",
        )
        if isinstance(self._module, PeftModel):
            self._module.add_adapter(name, config)
        else:
            self._module = get_peft_model(self._module, config, adapter_name=name)
        set_peft_model_state_dict(self._module, adapter.tensors, adapter_name=name)
        self._module.requires_grad_(False).eval()
        self._selected = None
        self._module.base_model.disable_adapter_layers()

    def detach(self, name: str) -> None:
        self.select(None)
        if len(self._module.peft_config) > 1:
            self._module.delete_adapter(name)
        else:
            self._module = self._module.unload()

    def select(self, name: str | None) -> None:
        """Compute with that adapter from now on, or with none."""
        if name == self._selected:
            return
        if name is None:
            self._module.base_model.disable_adapter_layers()
        else:
            self._module.base_model.enable_adapter_layers()
            self._module.set_adapter(name, inference_mode=True)
        self._selected = name

    def forward(self, **inputs: Any) -> Tensor:
        """Logits."""
        with torch.inference_mode():
            logits: Tensor = self._module(use_cache=True, **inputs).logits
        return logits


def open_model(directory: Path, device: torch.device, like: Shapes | None = None) -> Model:
    """The weights in a Hugging Face directory, safetensors only.

    Raises OperationError where they are none that this engine can serve, or are not shaped `like` those of the base.
    """
    try:
        config = AutoConfig.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
        _check_architecture(config)
        module, report = AutoModelForCausalLM.from_pretrained(
            directory,
            config=config,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32 if device.type == "cpu" else "auto",
            output_loading_info=True,
        )
    except OperationError:
        raise
    except Exception as error:  # anything: what is read here was written by somebody else
        raise OperationError(f"The weights cannot be read: {' '.join(str(error).split())[:400]}") from error
    for what, names in (("lack", report["missing_keys"]), ("have, beyond the model,", report["unexpected_keys"])):
        if names:
            raise OperationError(f"The weights {what} {shown(min(names))} ({len(names)} tensors in all).")
    model = Model(module.to(device).requires_grad_(False).eval())
    if like is not None:
        _check_shapes(model.shapes, like)
    probe = model.forward(input_ids=torch.zeros(1, 2, dtype=torch.long, device=device), logits_to_keep=1)
    if not torch.isfinite(probe).all():
        raise OperationError("The weights hold numbers that are not finite.")
    return model


def _check_architecture(config: Any) -> None:
    kinds = set(getattr(config.get_text_config(), "layer_types", None) or ATTENTION)
    if other := sorted(kinds - ATTENTION):
        raise OperationError(
            f"The model has {other[0]} layers, which the transformers engine cannot batch. Serve it by vllm."
        )


def _check_shapes(found: Shapes, base: Shapes) -> None:
    for name in sorted(found.keys() | base.keys()):
        if found.get(name) != base.get(name):
            told = [f"of shape {list(each)}" if each else "absent" for each in (found.get(name), base.get(name))]
            raise OperationError(
                f"The weights are of another model: {shown(name)} is {told[0]}, and {told[1]} in the base model."
            )
