"""From a configuration to a loaded model. The first import of torch and transformers happens here."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from trainer.checkpoints import FOLDERS, SAMPLER, Checkpoints
from trainer.config import TrainerConfig
from trainer.devices import choose_device
from trainer.metrics import MetricsLog
from trainer.models import ModelHost
from trainer.operations.parts import Parts
from trainer.sessions import Sessions
from trainer.tiny_model import base_directory

log = logging.getLogger(__name__)


def load_parts(config: TrainerConfig, checkpoints: Checkpoints, sessions: Sessions) -> tuple[Parts, Path]:
    """Load the base model, on the GPU where there is one. Returns what operations need, and the model's directory."""
    started = time.monotonic()
    sampler = Checkpoints(config.checkpoints.parent / FOLDERS[SAMPLER], config.jobs_root, config.job, SAMPLER)
    for store in (checkpoints, sampler):
        store.remove_unfinished()
    device = choose_device()
    log.info("loading model %s on %s", config.model_directory or f"{config.base_model} (demo)", device)
    directory = base_directory(config.model_directory, config.model_cache, config.base_model)
    host = ModelHost(config, sessions, device)
    facts = host.load(directory)
    seconds = time.monotonic() - started
    log.info(
        "loaded %s, %s parameters, vocabulary %d, in %.1f s",
        facts.architecture,
        f"{facts.parameters:,}",
        facts.vocabulary,
        seconds,
    )
    if not facts.comes_apart:
        log.warning(
            "%s computes the logits of a batch all at once, for they come from more than its head alone",
            facts.architecture,
        )
    return Parts(config, host, checkpoints, sampler, MetricsLog(config.directory / "metrics.jsonl")), directory
