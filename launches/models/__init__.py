"""Launches, their attempts, and what was observed of them. Written by the verbs in `launches/domain/` only."""

from launches.models.launches import Attempt, Event, Launch
from launches.models.observed import Checkpoint, Evaluation, Metric, UnknownTrainer

__all__ = ["Attempt", "Checkpoint", "Evaluation", "Event", "Launch", "Metric", "UnknownTrainer"]
