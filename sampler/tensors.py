"""What stands in the heads of safetensors files, read without any of their numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from trainer.errors import OperationError
from trainer.fields import shown

LARGEST_HEAD = 100 * 1024 * 1024
"""Bytes, as the format has it."""


def check_shapes(directory: Path, served: Path) -> None:
    """Raise OperationError where a tensor is of another shape than the one of its name that is served, or none has the
    name of one."""
    ours, theirs = shapes_of(served), shapes_of(directory)
    common = ours.keys() & theirs.keys()
    if ours and not common:
        raise OperationError("The weights cannot be read: they hold no tensor of the model that is served.")
    for name in sorted(common):
        if ours[name] != theirs[name]:
            told = f"{shown(name)} is of shape {theirs[name]}, and {ours[name]} in the model that is served."
            raise OperationError(f"The weights cannot be read: {told}")


def shapes_of(directory: Path) -> Mapping[str, tuple[int, ...]]:
    """By name the shape of each tensor in the folder's safetensors files. Raises OperationError where one is none."""
    found: dict[str, tuple[int, ...]] = {}
    for path in sorted(directory.glob("*.safetensors")):
        try:
            with path.open("rb") as file:
                size = int.from_bytes(file.read(8), "little")
                told = json.loads(file.read(min(size, LARGEST_HEAD)))
            found |= {name: tuple(each["shape"]) for name, each in told.items() if name != "__metadata__"}
        except (OSError, ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
            raise OperationError(f"The weights cannot be read: {path.name} is no safetensors file.") from error
    return found
