"""Launches, their attempts, and what was observed of them. Written by the verbs in `launches/domain/` only."""

from launches.models.launches import Attempt, Event, Launch
from launches.models.observed import Checkpoint, Evaluation, Metric, UnknownTrainer
from launches.models.runs import RecipeRun

__all__ = ["Attempt", "Checkpoint", "Evaluation", "Event", "Launch", "Metric", "RecipeRun", "UnknownTrainer"]
