"""One model of one client: its weights or its adapter, its optimizer, and what was added up since the last step."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.distributed.tensor import DTensor

from trainer.memory import FLOAT, TRAINED_COPIES
from trainer.ranks.norms import local


@dataclass
class Accumulated:
    """What forward_backward calls added up since the last optimizer step.

    loss is a sum; longest counts the tokens of the longest sequence; seconds are compute; rewards and told_losses are
    as the loop told them.
    """

    loss: float = 0.0
    loss_tokens: int = 0
    sequences: int = 0
    tokens: int = 0
    longest: int = 0
    seconds: float = 0.0
    passes: int = 0
    rewards: list[float] = field(default_factory=list)
    told_losses: list[float] = field(default_factory=list)


@dataclass
class HeldModel:
    """One model of one client.

    module: its own weights, or None where it uses the shared base. parameters: empty where it is frozen.
    rank, alpha: 0 unless it is an adapter on the shared base; its weights count alpha / rank times.
    """

    id: str
    session_id: str
    module: Any = None
    parameters: list[nn.Parameter] = field(default_factory=list)
    rank: int = 0
    alpha: int = 0
    optimizer: torch.optim.AdamW | None = None
    step: int = 0
    accumulated: Accumulated = field(default_factory=Accumulated)
    last_used: float = field(default_factory=time.monotonic)

    @property
    def trainable(self) -> bool:
        return bool(self.parameters)

    @property
    def promised_bytes(self) -> int:
        """What it will take beyond what it has: gradients, and the moments of the optimizer until it has stepped."""
        count = sum(local(parameter).numel() for parameter in self.parameters)
        return count * FLOAT * (1 if self.optimizer is not None else TRAINED_COPIES - 1)

    @property
    def held_bytes(self) -> int:
        """What it has, without what is the base's."""
        count = sum(local(parameter).numel() for parameter in self.parameters)
        return count * FLOAT * TRAINED_COPIES - self.promised_bytes

    def ensure_optimizer(self) -> torch.optim.AdamW:
        """The AdamW of this model, made on first use; each step sets its own learning rate and moments."""
        if self.optimizer is None:
            # Any other makes copies of all whole parameters on a GPU for as long as it steps. Of sharded ones it makes
            # none, and one call of the kernel takes no tensors of several meshes.
            fused = all(each.is_cuda and not isinstance(each, DTensor) for each in self.parameters)
            self.optimizer = torch.optim.AdamW(self.parameters, weight_decay=0.0, fused=fused)
        return self.optimizer

    def drop_gradients(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None
        self.accumulated = Accumulated()
