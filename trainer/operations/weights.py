"""save_weights, save_weights_for_sampler and load_weights.

A checkpoint holds `weights.safetensors` (all parameters, or the adapter's) and `optimizer.pt` where there were steps;
one of all parameters that several ranks have a part of holds the folders `weights/` and `optimizer/` instead, which any
number of ranks loads, as it does the former. Sampler weights are an ordinary Hugging Face model or PEFT adapter
directory, beside the checkpoints in `sampler/`: what becomes a model of the account.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import torch
from peft import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, load_model
from torch import Tensor

from trainer.adapters import read_adapter
from trainer.checkpoints import CheckpointInfo, Checkpoints
from trainer.errors import OperationError
from trainer.export import write_adapter, write_merged, write_model
from trainer.held import HeldModel
from trainer.memory import available_bytes, size_of
from trainer.metrics import process_peak_bytes
from trainer.operations.parts import Parts
from trainer.operations.shortage import told_shortage
from trainer.operations.snapshot import (
    MOMENTS,
    OPTIMIZER,
    OPTIMIZER_PARTS,
    STEPS,
    WEIGHT_PARTS,
    WEIGHTS,
    SamplerSnapshot,
    Snapshot,
    is_in_parts,
    optimizer_tensors,
    sampler_snapshot_of,
    snapshot_of,
)
from trainer.ranks.files import read_parts, read_whole, scatter, tensors_of
from trainer.ranks.group import Group
from trainer.wire import LoadWeights, SaveForSampler, SaveWeights
from trainer.work import Answer, Later

log = logging.getLogger(__name__)

S = TypeVar("S", Snapshot, SamplerSnapshot)
Store = Callable[[Callable[[Path], str]], CheckpointInfo]
"""Saves what is written for it into the directory that it makes."""
ROOM = 2
"""How many times what is copied has to be free, for the machine to have room for more than that."""


def has_optimizer(directory: Path) -> bool:
    """Whether a checkpoint has the state of its optimizer."""
    return (directory / OPTIMIZER).is_file() or (directory / OPTIMIZER_PARTS).is_dir()


def save_weights(parts: Parts, request: SaveWeights) -> Answer | Later:
    """Save weights and optimizer state under a name (`step-N` where none is given).

    They are copied, and written while training goes on, where the memory of the machine has room for that. Answers as
    `path` the name to load them by, which is another where that one is taken or is no DNS label.
    """
    model = _trained(parts, request.model_id, "saved")
    parts.saving.wait()
    store = _saver(parts, parts.checkpoints, model, request)
    return _save_beside(parts, "save_weights", store, snapshot_of(parts, model))


def save_for_sampler(parts: Parts, request: SaveForSampler) -> Answer | Later:
    """Save the weights alone, for a sampler to serve: the model, the adapter, or the base with the adapter merged.

    As `save_weights`, but for what is merged, and what several ranks have a part of: then training waits.
    """
    model = _trained(parts, request.model_id, "saved")
    parts.saving.wait()
    merged = request.merged and model.rank > 0
    store = _saver(parts, parts.sampler, model, request, merged=merged)
    if merged:  # which opens the base in a precision that all threads would have
        info = parts.group.agree(lambda: store(lambda directory: _write_merged(parts, model, request, directory)))
    elif is_in_parts(parts, model):
        with parts.host.active(model) as module:
            write = partial(write_model, module, parts.host.directory, group=parts.group)
            info = _save_together(parts.group, store, write)
    else:
        return _save_beside(parts, "save_weights_for_sampler", store, sampler_snapshot_of(parts, model))
    return _saved("save_weights_for_sampler", info)


def _save_beside(parts: Parts, operation: str, store: Store, now: Snapshot | SamplerSnapshot) -> Answer | Later:
    """Write what is now, while training goes on where there is room for a copy of it."""
    copy = _copy(parts, now)
    snapshot = copy or now
    if waits := parts.group.either(copy is None):
        log.info("training waits for this save: there is no room for a copy (%s)", size_of(now.size_bytes))
    group = parts.saving.group

    def save() -> Answer:
        if parts.host.device.type == "cuda":
            torch.cuda.set_device(parts.host.device)  # each thread has one of its own
        try:
            with told_shortage(operation, group.size):
                if snapshot.in_parts:
                    info = _save_together(group, store, lambda directory: snapshot.write(directory, group))
                else:
                    info = group.agree(lambda: store(lambda directory: snapshot.write(directory, group)))
        finally:
            if copy is not None and copy is not now:
                copy.forget()
        return _saved(operation, info)

    later = parts.saving.start(save)
    return later.answer.result() if waits else later


def _saved(operation: str, info: CheckpointInfo) -> Answer:
    what = "checkpoint" if operation == "save_weights" else "sampler weights"
    log.info("saved %s %s: step %d, %s bytes", what, info.name, info.step, f"{info.size_bytes:,}")
    return {"type": operation, "path": info.name}


def _copy(parts: Parts, snapshot: S) -> S | None:
    """What is written while training goes on; None where there is no room for that.

    Of what is whole on every rank only the first writes, so the others copy nothing.
    """
    if parts.group.rank and not snapshot.in_parts:
        return snapshot
    at_once = parts.config.processes if snapshot.in_parts else 1  # all ranks of a machine copy theirs
    if ROOM * at_once * snapshot.size_bytes > available_bytes(torch.device("cpu")):
        return None
    parts.saving.note_copy(snapshot.size_bytes, process_peak_bytes())
    try:
        return snapshot.copied()
    except (MemoryError, RuntimeError):  # a limit that nothing told of
        return None


def load_weights(parts: Parts, request: LoadWeights) -> dict[str, Any]:
    """Load a checkpoint of this job or another, with its optimizer state or without; gradients added up are dropped."""
    model = _trained(parts, request.model_id, "loaded into")
    parts.saving.wait()  # it may be what is to be loaded

    def find() -> tuple[Path, CheckpointInfo]:
        directory, info = parts.checkpoints.find(request.reference)
        _check_fits(parts, model, info)
        if request.optimizer and not has_optimizer(directory) and info.step:
            raise OperationError(f"Checkpoint {info.name} holds no optimizer state; load it without.")
        return directory, info

    directory, info = parts.group.agree(find)
    with parts.host.active(model) as module:
        if model.rank:
            _load_adapter(model, module, load_file(directory / WEIGHTS), info)
        elif (directory / WEIGHT_PARTS).is_dir():
            read_parts(directory / WEIGHT_PARTS, tensors_of(module))
        elif is_in_parts(parts, model):
            read_whole(directory / WEIGHTS, module, parts.group.rank)
        else:
            load_model(module, directory / WEIGHTS, device=str(parts.host.device))
    model.optimizer = None
    if request.optimizer and has_optimizer(directory):
        _load_optimizer(parts, model, directory)
    model.drop_gradients()
    model.step = info.step
    log.info(
        "loaded checkpoint %s: step %d, %s optimizer state",
        request.reference,
        info.step,
        "with" if request.optimizer else "without",
    )
    return {"type": "load_weights", "path": request.reference}


def _trained(parts: Parts, model_id: str, verb: str) -> HeldModel:
    model = parts.host.get(model_id)
    if not model.trainable:
        raise OperationError(f"This model is frozen: it has no weights of its own that could be {verb}.")
    return model


def _check_fits(parts: Parts, model: HeldModel, info: CheckpointInfo) -> None:
    if info.base_model != parts.config.base_model:
        raise OperationError(
            f"Checkpoint {info.name} is of base model {info.base_model}; this trainer holds {parts.config.base_model}."
        )
    if info.lora_rank != model.rank:
        kind = {0: "all parameters"}
        have, want = (kind.get(rank, f"a LoRA adapter of rank {rank}") for rank in (info.lora_rank, model.rank))
        raise OperationError(
            f"Checkpoint {info.name} holds {have}; this model trains {want}. Create a model of the same kind."
        )
    if info.lora_alpha is not None and info.lora_alpha != model.alpha:
        raise OperationError(
            f"Checkpoint {info.name} was trained with LoRA alpha {info.lora_alpha}; this model has {model.alpha}, "
            f"which would scale the adapter differently. Create a model with lora_config.alpha {info.lora_alpha}."
        )


def _load_adapter(model: HeldModel, module: Any, saved: dict[str, torch.Tensor], info: CheckpointInfo) -> None:
    """Load an adapter whole: peft itself passes over what one side lacks. Raises OperationError."""
    own = get_peft_model_state_dict(module, adapter_name=model.id, save_embedding_layers=False)
    # Earlier releases saved the base's own weights of an adapted head beside it.
    saved = {name: tensor for name, tensor in saved.items() if name in own or ".lora_" in name}
    if saved.keys() != own.keys():
        raise OperationError(
            f"Checkpoint {info.name} adapts other parts of the model than this one. Create a model with the same "
            "lora_config.train_attn, train_mlp and train_unembed."
        )
    set_peft_model_state_dict(module, saved, adapter_name=model.id)


def _saver(parts: Parts, store: Checkpoints, model: HeldModel, request: SaveWeights, *, merged: bool = False) -> Store:
    """What saves what is written for it, as the model that it is of is now."""
    return partial(
        store.save,
        request.name or f"step-{model.step}",
        step=model.step,
        trainer_mode=parts.config.trainer_mode,
        lora_rank=0 if merged else model.rank,
        lora_alpha=0 if merged else model.alpha,
        base_model=parts.config.base_model,
    )


def _save_together(group: Group, save: Store, write: Callable[[Path], str]) -> CheckpointInfo:
    """Let every rank write into the directory that rank 0 makes and names."""

    def write_all(directory: Path) -> str:
        return write(group.agree(lambda: directory))

    if group.rank:
        with suppress(OSError):  # which rank 0 had, too, and tells of
            write_all(Path())
    return group.agree(lambda: save(write_all))


def _load_optimizer(parts: Parts, model: HeldModel, directory: Path) -> None:
    optimizer = model.ensure_optimizer()
    if not (directory / OPTIMIZER_PARTS).is_dir() and not is_in_parts(parts, model):
        state = torch.load(directory / OPTIMIZER, map_location=parts.host.device, weights_only=True)
        for own, saved in zip(optimizer.param_groups, state["param_groups"], strict=True):
            saved["fused"] = own["fused"]  # that of this device, wherever it was saved
        optimizer.load_state_dict(state)
        return
    with parts.host.active(model) as module:
        named = dict(module.named_parameters())
    tensors = optimizer_tensors(model, named)
    if (directory / OPTIMIZER_PARTS).is_dir():
        read_parts(directory / OPTIMIZER_PARTS, tensors)
    else:
        _read_whole_optimizer(parts, directory / OPTIMIZER, tensors, list(named))
    for number, (name, parameter) in enumerate(named.items()):
        if step := float(tensors[STEPS][number]):
            moments = {moment: tensors[f"{name}.{moment}"] for moment in MOMENTS}
            place = parameter.device if optimizer.defaults["fused"] else None
            optimizer.state[parameter] = {"step": torch.tensor(step, device=place), **moments}


def _read_whole_optimizer(parts: Parts, path: Path, tensors: dict[str, Tensor], names: list[str]) -> None:
    """What one process saved, which numbers its parameters in their order."""
    state = torch.load(path, map_location="cpu", weights_only=True)["state"] if parts.group.rank == 0 else {}
    steps = parts.group.agree(lambda: [float(state[n]["step"]) if n in state else 0.0 for n in range(len(names))])
    tensors[STEPS].copy_(torch.tensor(steps))
    for number, name in enumerate(names):
        for moment in MOMENTS if steps[number] else ():
            scatter(state[number][moment] if state else None, tensors[f"{name}.{moment}"])


def _write_merged(parts: Parts, model: HeldModel, request: SaveForSampler, directory: Path) -> str:
    with TemporaryDirectory(dir=directory) as name:
        with parts.host.active(model) as module:
            write_adapter(module, model.id, parts.host.directory, parts.config.base_model, Path(name))
        adapter = read_adapter(Path(name))
    if not adapter.changes:
        raise OperationError(
            "There is nothing to merge: the adapter changes nothing yet. Train it or load one first (load_adapter)."
        )
    dtype = torch.bfloat16 if request.bf16 else "auto"
    return write_merged(parts.host.directory, adapter, directory, dtype)
