"""From a configuration to a loaded model. The first import of torch and transformers happens here."""

# mypy: allow-untyped-calls

from __future__ import annotations

import logging
import os
import time
import warnings
from pathlib import Path

import torch
import transformers

from trainer.checkpoints import FOLDERS, SAMPLER, Checkpoints
from trainer.config import TrainerConfig
from trainer.metrics import MetricsLog
from trainer.models import ModelHost
from trainer.operations.parts import Parts
from trainer.sessions import Sessions
from trainer.tiny_model import ensure_tiny_model

log = logging.getLogger(__name__)


def load_parts(config: TrainerConfig, checkpoints: Checkpoints, sessions: Sessions) -> tuple[Parts, Path]:
    """Load the base model, on the GPU where there is one. Returns what operations need, and the model's directory."""
    started = time.monotonic()
    sampler = Checkpoints(config.checkpoints.parent / FOLDERS[SAMPLER], config.jobs_root, config.job, SAMPLER)
    for store in (checkpoints, sampler):
        store.remove_unfinished()
    device = choose_device()
    if config.model_directory is not None and not (config.model_directory / "config.json").is_file():
        raise FileNotFoundError(
            f"{config.model_directory} is not a Hugging Face model directory: it has no config.json"
        )
    log.info("loading model %s on %s", config.model_directory or f"{config.base_model} (demo)", device)
    directory = config.model_directory or ensure_tiny_model(config.model_cache, config.base_model)
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
    return Parts(config, host, checkpoints, sampler, MetricsLog(config.directory / "metrics.jsonl")), directory


def choose_device() -> torch.device:
    """The GPU where there is one, else the processor; libraries are told to be quiet and to leave cores to others."""
    # The log is read by people who launched a trainer; what libraries deprecate is no concern of theirs.
    warnings.simplefilter("ignore")
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    torch.set_float32_matmul_precision("high")
    if torch.cuda.is_available():
        return torch.device("cuda")
    # Half the cores: several trainers and the dashboard itself share the machine.
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // 2))
    return torch.device("cpu")
