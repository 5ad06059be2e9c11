"""Tensors of which every rank has a part, as files: torch.distributed.checkpoint, in safetensors alone.

Each rank writes what it has, and reads what it is to have, whoever wrote that: so what two ranks saved one may load.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.distributed.checkpoint import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.tensor import DTensor
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

from trainer.ranks.group import Group
from trainer.ranks.norms import local

FILE_BYTES = 4 * 2**30
"""Of an exported model: of as much rank 0 has a copy beside its own part of the model."""
INDEX = "model.safetensors.index.json"


def write_parts(directory: Path, tensors: Mapping[str, Tensor], group: Group) -> None:
    """Write this rank's part of them, while the others write theirs. Errors: OSError, on all ranks alike."""
    writer = HuggingFaceStorageWriter(str(directory), save_distributed=True, enable_consolidation=False)
    try:
        own = {name: tensor.detach() for name, tensor in tensors.items()}
        dcp.save(own, storage_writer=writer, process_group=group.process_group)
    except CheckpointException as error:
        causes = [cause for cause, _ in error.failures.values()]
        raise next((cause for cause in causes if isinstance(cause, OSError)), OSError(str(causes[0]))) from error


def read_parts(directory: Path, tensors: Mapping[str, Tensor]) -> None:
    """Fill them, as far as this rank has them, while the others fill theirs. Raises ValueError where one is missing."""
    reader = HuggingFaceStorageReader(str(directory))
    try:
        dcp.load({name: tensor.detach() for name, tensor in tensors.items()}, storage_reader=reader)
    except CheckpointException as error:
        raise ValueError(str(error).splitlines()[-1]) from error


def read_whole(path: Path, module: Any, rank: int) -> None:
    """Fill a model from one file, which rank 0 reads a tensor at a time. Raises ValueError where one is missing."""
    names: dict[int, list[str]] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    with safe_open(path, framework="pt") as file:
        saved = set(file.keys())
        for name, tensor in tensors_of(module).items():
            # What has several names was saved under one of them.
            found = next((each for each in names.get(id(tensor), [name]) if each in saved), None)
            if found is None:
                raise ValueError(f"{name} is missing")
            scatter(file.get_tensor(found) if rank == 0 else None, tensor)


def scatter(whole: Tensor | None, into: Tensor) -> None:
    """Give every rank its part of what rank 0 has whole."""
    own = local(into.detach())
    given = torch.empty(into.shape, dtype=into.dtype, device=own.device) if whole is None else whole.to(own)
    dist.broadcast(given, src=0)
    if isinstance(into, DTensor):
        sizes, starts = compute_local_shape_and_global_offset(into.shape, into.device_mesh, into.placements)
        given = given[tuple(slice(start, start + size) for start, size in zip(starts, sizes, strict=True))]
    own.copy_(given)


def write_model_files(directory: Path, tensors: Mapping[str, Tensor], rank: int) -> None:
    """Write them whole, as transformers reads them; rank 0 gets each from all ranks. Errors: OSError, on rank 0.

    After such an error rank 0 goes on getting them, for the others, which do not know of it, go on giving.
    """
    files = list(_divided(tensors))
    places: dict[str, str] = {}
    failed: OSError | None = None
    for number, names in enumerate(files, 1):
        name = f"model-{number:05}-of-{len(files):05}.safetensors" if len(files) > 1 else "model.safetensors"
        whole: dict[str, Tensor] = {}
        for each in names:
            tensor = tensors[each].detach()
            full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
            if rank == 0 and failed is None:
                whole[each] = full.cpu().contiguous()
        if rank == 0 and failed is None:
            try:
                save_file(whole, directory / name, metadata={"format": "pt"})
            except (OSError, SafetensorError) as error:
                failed = error if isinstance(error, OSError) else OSError(str(error))
        places |= dict.fromkeys(names, name)
    if failed is not None:
        raise failed
    if rank == 0 and len(files) > 1:
        size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
        index = {"metadata": {"total_size": size}, "weight_map": places}
        (directory / INDEX).write_text(json.dumps(index, indent=2), encoding="utf-8")


def _divided(tensors: Mapping[str, Tensor]) -> Iterator[list[str]]:
    """Their names, file by file."""
    names: list[str] = []
    size = 0
    for name, tensor in tensors.items():
        own = tensor.numel() * tensor.element_size()
        if names and size + own > FILE_BYTES:
            yield names
            names, size = [], 0
        names.append(name)
        size += own
    yield names


def tensors_of(module: Any) -> dict[str, Tensor]:
    """What a model keeps, by name; what has two names by the first of them."""
    named = dict(module.named_parameters())
    twice = dict(module.named_parameters(remove_duplicate=False)).keys() - named.keys()
    kept = {name for name in module.state_dict() if name not in named and name not in twice}
    return named | {name: buffer for name, buffer in module.named_buffers() if name in kept}
