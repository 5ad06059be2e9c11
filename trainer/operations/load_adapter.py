"""load_adapter: go on from an adapter that is a model of the account, with a fresh optimizer."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from peft import get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor

from trainer.adapters import ADAPTER_CONFIG, ENDS, Adapter, read_adapter
from trainer.config import TrainerConfig
from trainer.errors import OperationError
from trainer.fields import shown
from trainer.held import HeldModel
from trainer.operations.parts import Parts
from trainer.wire import LoadAdapter

log = logging.getLogger(__name__)

_MODEL = re.compile(r"accounts/([a-z0-9-]{1,63})/models/([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)")


def load_adapter(parts: Parts, request: LoadAdapter) -> dict[str, Any]:
    """Give a LoRA model the weights of an adapter; optimizer state and gradients added up are dropped.

    The model's rank may be larger: what the adapter does to its base is the same, at whatever rank and alpha.
    """
    model = parts.host.get(request.model_id)
    if not model.rank:
        raise OperationError(
            "This model is no LoRA adapter. Create one with a lora_config.rank to load an adapter into."
        )
    adapter = parts.group.agree(lambda: read_adapter(find_model(parts.config, request.name)))
    if adapter.base_model != parts.config.base_model:
        raise OperationError(
            f"The adapter {request.name} is of base model {shown(adapter.base_model)}; this trainer holds "
            f"{parts.config.base_model}."
        )
    with parts.host.active(model) as module:
        own = get_peft_model_state_dict(module, adapter_name=model.id, save_embedding_layers=False)
        set_peft_model_state_dict(module, fitted(own, model, adapter), adapter_name=model.id)
    model.optimizer = None
    model.drop_gradients()
    log.info("loaded adapter %s: rank %d", request.name, adapter.rank)
    return {"type": "load_adapter", "model_id": model.id, "adapter_path": request.name}


def find_model(config: TrainerConfig, name: str) -> Path:
    """The directory of an adapter that is a model of the account. Raises OperationError 404 where there is none."""
    account = config.models_root.name if config.models_root else ""
    match = _MODEL.fullmatch(name)
    if match is None or config.models_root is None or match[1] != account:
        own = f"accounts/{account}/models/..." if account else "its own account"
        raise OperationError(
            f"There is no adapter {shown(name)} here: a trainer loads models of {own} only.", status=404
        )
    directory = config.models_root / match[2]
    if (directory / ADAPTER_CONFIG).is_file():
        return directory
    if (directory / "config.json").is_file():
        raise OperationError(f"{name} is a whole model and no adapter: launch a trainer with it as the base model.")
    raise OperationError(f"There is no model {name} (any more).", status=404)


def fitted(own: dict[str, Tensor], model: HeldModel, adapter: Adapter) -> dict[str, Tensor]:
    """The tensors `own` of a model as they have to be so that it does what the adapter does.

    Rows of A beyond the adapter's rank keep what they have; their columns of B are 0. What the adapter leaves alone
    gets a B of 0. Raises OperationError where the model cannot hold the adapter.
    """
    if adapter.rank > model.rank:
        raise OperationError(
            f"The adapter has rank {adapter.rank}, this model {model.rank}. Create one with lora_config.rank "
            f"{adapter.rank} or more, as far as the launch allows."
        )
    if missing := sorted(adapter.tensors.keys() - own.keys()):
        raise OperationError(
            f"The adapter adapts {missing[0].removesuffix(ENDS[0])}, which this model does not train. Create one with "
            "lora_config.train_attn, train_mlp and train_unembed as the adapter was made with."
        )
    scale = adapter.alpha / adapter.rank / (model.alpha / model.rank)
    return {name: _padded(tensor, adapter.tensors.get(name), name, scale) for name, tensor in own.items()}


def _padded(own: Tensor, given: Tensor | None, name: str, scale: float) -> Tensor:
    first = name.endswith(ENDS[0])
    wide = own.clone() if first else own.new_zeros(own.shape)
    if given is None:
        return wide
    place = wide[: given.shape[0]] if first else wide[:, : given.shape[1]]
    if place.shape != given.shape:
        raise OperationError("The adapter's tensors have other sizes than the modules of this base model.")
    place.copy_(given if first else given * scale)
    return wide
