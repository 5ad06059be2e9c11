"""create_model and unload_model."""

from __future__ import annotations

import logging
from typing import Any

from trainer.errors import OperationError
from trainer.operations.load_adapter import load_adapter
from trainer.operations.parts import Parts
from trainer.wire import CreateModel, LoadAdapter, UnloadModel

log = logging.getLogger(__name__)


def create_model(parts: Parts, request: CreateModel) -> dict[str, Any]:
    """Make a model of the base weights: all parameters, an adapter, or frozen.

    An adapter begins as the one that the trainer starts from, where it starts from one.
    """
    model = parts.host.create(request)
    if parts.config.adapter and model.rank:
        try:
            load_adapter(parts, LoadAdapter(model.id, parts.config.adapter))
        except OperationError:
            parts.host.unload(model.id)
            raise
    trained = sum(parameter.numel() for parameter in model.parameters)
    kind = f"LoRA rank {model.rank}" if model.rank else "full parameter" if model.trainable else "frozen"
    log.info("created %s: %s, %s trained parameters", model.id, kind, f"{trained:,}")
    return {"type": "create_model", "model_id": model.id}


def unload_model(parts: Parts, request: UnloadModel) -> dict[str, Any]:
    """Forget a model; what was not saved is lost."""
    parts.host.unload(request.model_id)
    log.info("unloaded %s", request.model_id)
    return {"type": "unload_model", "model_id": request.model_id}
