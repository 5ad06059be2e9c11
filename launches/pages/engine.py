"""What the engine of a connection gave an attempt, and counted, beside what was seen from here. Pure."""

from __future__ import annotations

from datetime import datetime

from catalog.labels import duration_label
from connections.providers.spec import TrainerSpec
from launches.models import Attempt


def engine_sentence(attempt: Attempt, spec: TrainerSpec, now: datetime) -> str:
    """Nodes, GPUs and GPU time; "" of an engine that says nothing of them."""
    if not attempt.remote_nodes:
        return ""
    ran = f"On {attempt.remote_nodes}" + (f", as job {attempt.remote_id}" if attempt.remote_id else "")
    if not attempt.remote_gpus:
        return f"{ran}, without a GPU."
    ours = (attempt.finished_at or now) - attempt.started_at if attempt.started_at else None
    here = f", {duration_label(int(ours.total_seconds()) * spec.trainer_gpus)} as seen from here" if ours else ""
    counted = "" if attempt.gpu_seconds is None else f" GPU time: {duration_label(attempt.gpu_seconds)} there{here}."
    return f"{ran}, with {attempt.remote_gpus}.{counted}"
