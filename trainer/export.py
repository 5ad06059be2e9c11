"""Weights as plain transformers and peft open them: a Hugging Face directory, the tokenizer's files included.

An adapter names its base by resource name, for a path of this machine means nothing elsewhere.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import save_file
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from transformers import AutoModelForCausalLM

from trainer.adapters import ADAPTER_WEIGHTS, Adapter
from trainer.errors import OperationError
from trainer.facts import base_facts
from trainer.memory import is_out_of_memory
from trainer.ranks.files import tensors_of, write_model_files
from trainer.ranks.group import ALONE, Group

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
)


def write_model(module: Any, base: Path, directory: Path, group: Group = ALONE) -> str:
    """Write a whole model into the directory. Returns the precision of its weights.

    Of one that several ranks have a part of rank 0 writes what all give it, a file at a time: but for one whose files
    are named otherwise than its parameters (experts), which is gathered whole in the memory of rank 0's node.
    """
    if group.size == 1:
        return write_whole(module, module.state_dict(), base, directory)
    elif getattr(module, "_weight_conversions", None):
        whole = get_model_state_dict(module, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
        if group.rank == 0:
            _write_gathered(module, whole, directory)
    else:
        write_model_files(directory, tensors_of(module), group.rank)
        for part in (module.config, module.generation_config) if group.rank == 0 else ():
            part.save_pretrained(directory)
    if group.rank == 0:
        _copy_tokenizer(base, directory)
    return precision_of(module)


def write_whole(module: Any, tensors: dict[str, Any], base: Path, directory: Path) -> str:
    """Write these as the whole of the module, which may have others by now. Returns the precision of the weights."""
    module.save_pretrained(directory, state_dict=tensors)
    _copy_tokenizer(base, directory)
    return precision_of(module)


def _write_gathered(module: Any, whole: dict[str, Any], directory: Path) -> None:
    """Write what is gathered already: transformers, which would gather it itself and then wait for the other ranks,
    would leave them waiting where it cannot write."""
    spread, module.config.distributed_config = module.config.distributed_config, None
    try:
        module.save_pretrained(directory, state_dict=whole)
    finally:
        module.config.distributed_config = spread


def write_adapter(module: Any, name: str, base: Path, base_model: str, directory: Path) -> str:
    """Write one adapter of the module into the directory. Returns the precision of its weights."""
    return write_adapter_files(*adapter_of(module, name), base, base_model, directory)


def adapter_of(module: Any, name: str) -> tuple[dict[str, Any], Any]:
    """Tensors and configuration of one adapter of the module, as they are now."""
    # Embeddings that it adapts are the base's own, which is at hand wherever an adapter is loaded.
    tensors = get_peft_model_state_dict(module, adapter_name=name, save_embedding_layers=False)
    return tensors, copy.copy(module.peft_config[name])


def write_adapter_files(tensors: dict[str, Any], config: Any, base: Path, base_model: str, directory: Path) -> str:
    """Write these as an adapter. Returns the precision of the weights."""
    save_file(
        {key: tensor.contiguous() for key, tensor in tensors.items()},
        directory / ADAPTER_WEIGHTS,
        metadata={"format": "pt"},
    )
    config.base_model_name_or_path, config.inference_mode = base_model, True
    config.save_pretrained(directory)
    _copy_tokenizer(base, directory)
    return precision_name(next(iter(tensors.values())).dtype)


def write_merged(base: Path, adapter: Adapter, directory: Path, dtype: torch.dtype | str = "auto") -> str:
    """Write the base with the adapter folded into it, in the base's own precision unless another is given.

    The base is loaded for this alone: what a trainer holds stays as it is. Returns the precision of the weights.
    Raises OperationError where the adapter is not of this base.
    """
    module: Any = AutoModelForCausalLM.from_pretrained(
        base, local_files_only=True, trust_remote_code=False, dtype=dtype
    )
    _check_modules(module, adapter)
    _untie(module, adapter)
    config = LoraConfig(
        r=adapter.rank, lora_alpha=adapter.alpha, target_modules=list(adapter.modules), task_type="CAUSAL_LM"
    )
    adapted = get_peft_model(module, config)
    try:
        set_peft_model_state_dict(adapted, adapter.tensors)
    except RuntimeError as error:  # torch says so of sizes
        if is_out_of_memory(error):
            raise
        raise OperationError("The adapter's tensors have other sizes than the base model's modules.") from error
    return write_model(adapted.merge_and_unload(), base, directory)


def precision_of(module: Any) -> str:
    return precision_name(next(module.parameters()).dtype)


def precision_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _check_modules(module: Any, adapter: Adapter) -> None:
    if unknown := sorted(set(adapter.modules) - set(base_facts(module).linear)):
        raise OperationError(f"The adapter adapts {unknown[0]}, which the base model does not have.")


def _untie(module: Any, adapter: Adapter) -> None:
    """Give an adapted output its own weights: merged into those that it shares, it would change the input, too."""
    output, embedding = module.get_output_embeddings(), module.get_input_embeddings()
    if output is None or output.weight is not embedding.weight or base_facts(module).output not in adapter.modules:
        return
    output.weight = nn.Parameter(output.weight.detach().clone())
    module.config.tie_word_embeddings = module.config.get_text_config().tie_word_embeddings = False


def _copy_tokenizer(base: Path, directory: Path) -> None:
    for name in TOKENIZER_FILES:
        if (base / name).is_file():
            shutil.copyfile(base / name, directory / name)
