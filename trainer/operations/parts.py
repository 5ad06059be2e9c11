"""What the operations work on."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.checkpoints import Checkpoints
from trainer.config import TrainerConfig
from trainer.metrics import MetricsLog
from trainer.models import ModelHost
from trainer.operations.saving import Saving
from trainer.ranks.group import Group


@dataclass(frozen=True)
class Parts:
    config: TrainerConfig
    host: ModelHost
    checkpoints: Checkpoints
    sampler: Checkpoints
    metrics: MetricsLog
    group: Group
    saving: Saving
