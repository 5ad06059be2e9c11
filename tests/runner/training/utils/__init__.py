"""What recipes' configurations are made of."""

import sys
from dataclasses import dataclass
from types import ModuleType

SCHEDULES = ModuleType("fireworks.training.sdk.training_spec")
SCHEDULES.normalize_lr_scheduler_spec = dict  # type: ignore[attr-defined]
sys.modules.setdefault(SCHEDULES.__name__, SCHEDULES)
"""What of the SDK is asked for, which this environment does not have."""


@dataclass
class TrainerConfig:
    """The trainer that it attaches to, and the shape of that."""

    job_id: str
    training_shape_id: str
