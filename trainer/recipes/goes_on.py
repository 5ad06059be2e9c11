"""Whether a recipe adapts what the checkpoint adapts that it goes on from: its file's head tells, before any load."""

from __future__ import annotations

import re

from safetensors import SafetensorError, safe_open

from trainer.checkpoints import Checkpoints
from trainer.config import LORA, TrainerConfig
from trainer.errors import OperationError
from trainer.recipes.declared import ADAPTED, ALL, ATTENTION, NAMES, read_parameters

WEIGHTS = "weights.safetensors"
_IN_LAYER = re.compile(r"\.[0-9]+\.")


def check_adapted(config: TrainerConfig, checkpoints: Checkpoints) -> None:
    """Raises OperationError where the recipe adapts other layers than the checkpoint."""
    name = config.resume_from or (None if config.adapter else config.start_from)
    if name is None or config.recipe not in NAMES or config.trainer_mode != LORA:
        return
    try:
        directory, info = checkpoints.find(name)
        with safe_open(directory / WEIGHTS, "np") as file:
            names = [each for each in file.keys() if ".lora_" in each and _IN_LAYER.search(each)]  # noqa: SIM118
    except (OSError, OperationError, SafetensorError):  # whoever loads it says so
        return
    found = ALL if any("attn" not in each and "attention" not in each for each in names) else ATTENTION
    wanted = read_parameters(config.recipe, config.parameters)[ADAPTED]
    if names and found != wanted:
        raise OperationError(
            f"Checkpoint {info.name} adapts {'all linear layers' if found == ALL else 'attention alone'}, and the "
            f"recipe's parameter adapted is {wanted}: set it to {found}, or begin anew."
        )
