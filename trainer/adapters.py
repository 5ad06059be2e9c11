"""A LoRA adapter as peft writes it, read from a directory that anybody may have filled.

Only safetensors are read, and of the configuration only what says how the tensors count: peft itself would import what
a configuration names.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from trainer.errors import OperationError
from trainer.fields import Fields, shown

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
LARGEST_CONFIG = 1024 * 1024
PREFIX, ENDS = "base_model.model.", (".lora_A.weight", ".lora_B.weight")
# What would have to be done otherwise than by adding alpha / rank times B A to a module's weights.
_UNSUPPORTED = (
    "alora_invocation_tokens",
    "alpha_pattern",
    "layer_replication",
    "modules_to_save",
    "rank_pattern",
    "target_parameters",
    "trainable_token_indices",
    "use_dora",
    "use_rslora",
    "use_bdlora",
)


@dataclass(frozen=True)
class Adapter:
    """tensors are named as peft names them; modules are those that they adapt. base_model is as the file says."""

    rank: int
    alpha: int
    base_model: str
    tensors: dict[str, Tensor]

    @property
    def modules(self) -> tuple[str, ...]:
        return tuple(sorted({_module(name) for name in self.tensors}))

    @property
    def changes(self) -> bool:
        """Whether it does anything to its base: one that was never trained does not."""
        return any(bool(tensor.any()) for name, tensor in self.tensors.items() if name.endswith(ENDS[1]))


def read_adapter(directory: Path) -> Adapter:
    """The adapter in the directory. Raises OperationError where there is none that this trainer can load."""
    config = _read_config(directory / ADAPTER_CONFIG)
    if config.value.get("peft_type") != "LORA":
        raise OperationError(f"The adapter is of type {shown(config.value.get('peft_type'))}; only LORA is supported.")
    for name in _UNSUPPORTED:
        if config.value.get(name):
            raise OperationError(f"The adapter's {name} is not supported.")
    if config.value.get("bias") not in (None, "none"):
        raise OperationError("The adapter's bias is not supported.")
    rank, alpha = _positive(config, "r"), _positive(config, "lora_alpha")
    base = config.value.get("base_model_name_or_path")
    return Adapter(rank, alpha, base if isinstance(base, str) else "", _read_tensors(directory / ADAPTER_WEIGHTS, rank))


def _positive(config: Fields, name: str) -> int:
    config.require(name)
    return config.integer(name, 1, 1) or 1


def _read_config(path: Path) -> Fields:
    try:
        with path.open("rb") as file:
            content: Any = json.loads(file.read(LARGEST_CONFIG))
    except FileNotFoundError as error:
        raise OperationError(f"There is no adapter: {path.name} is missing.") from error
    except OSError as error:
        raise OperationError(f"The adapter's {path.name} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise OperationError(f"The adapter's {path.name} cannot be read: it is no JSON.") from error
    return Fields(content, path.name)


def _read_tensors(path: Path, rank: int) -> dict[str, Tensor]:
    try:
        tensors = load_file(path)
    except FileNotFoundError as error:
        raise OperationError(f"The adapter has no {path.name}; other formats are not read.") from error
    except (OSError, SafetensorError) as error:
        raise OperationError(f"The adapter's {path.name} cannot be read: {error}") from error
    for name, tensor in tensors.items():
        place = 0 if name.endswith(ENDS[0]) else 1
        fits = tensor.dim() == 2 and tensor.shape[place] == rank
        if not (name.startswith(PREFIX) and name.endswith(ENDS) and fits):
            raise OperationError(f"The adapter's tensor {shown(name)} is none of a LoRA adapter of rank {rank}.")
    if not tensors or {name.replace(ENDS[0], ENDS[1]) for name in tensors} - tensors.keys():
        raise OperationError("The adapter is not whole: every module needs its lora_A and its lora_B.")
    return tensors


def _module(name: str) -> str:
    return name.removeprefix(PREFIX).removesuffix(ENDS[0]).removesuffix(ENDS[1])
