"""From a configuration to a loaded model. The first import of torch and transformers happens here."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import torch

from trainer.checkpoints import FOLDERS, SAMPLER, Checkpoints
from trainer.config import FORWARD_ONLY, POLICY, TrainerConfig
from trainer.devices import choose_device
from trainer.memory import MemoryPlan, Plan, available_bytes, peak_bytes, plan_memory, size_of, within_memory
from trainer.metrics import MetricsLog
from trainer.models import ModelHost
from trainer.operations.forward import MICRO_BATCH_TOKENS
from trainer.operations.parts import Parts
from trainer.operations.saving import Saving
from trainer.ranks.group import ALONE, Group
from trainer.sessions import Sessions
from trainer.tiny_model import base_directory

log = logging.getLogger(__name__)

_LARGER = "Launch a shape with more memory, or one of a smaller model."


def load_parts(
    config: TrainerConfig, checkpoints: Checkpoints, sessions: Sessions, group: Group = ALONE
) -> tuple[Parts, Path]:
    """Load the base model, on the GPU where there is one. Returns what operations need, and the model's directory.

    With more ranks than one each loads its part, and rank 0 alone keeps records.
    """
    started = time.monotonic()
    sampler = Checkpoints(config.checkpoints.parent / FOLDERS[SAMPLER], config.jobs_root, config.job, SAMPLER)
    for store in (checkpoints, sampler) if group.rank == 0 else ():
        store.remove_unfinished()
    device = choose_device(group.rank % config.processes, config.processes)
    log.info("loading model %s on %s", config.model_directory or f"{config.base_model} (demo)", device)
    # Of several ranks transformers lets the first alone write a model whole: another's would lack its configuration.
    directory = group.agree(lambda: base_directory(config.model_directory, config.model_cache, config.base_model))
    host = ModelHost(config, sessions, device, group)
    host.plan = group.agree(lambda: _plan(config, directory, device, host.in_bfloat16))
    with within_memory("the parameters of the model", _LARGER):
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
    if facts.padded:
        log.info("sequences are padded: %s", facts.padded)
    records = MetricsLog(config.directory / "metrics.jsonl" if group.rank == 0 else None)
    return Parts(config, host, checkpoints, sampler, records, group, Saving(group.beside())), directory


def _plan(config: TrainerConfig, directory: Path, device: torch.device, in_bfloat16: bool) -> Plan | None:
    """What is planned, with activation checkpointing where it is asked for or the memory needs it; None: unknown."""
    free, backward = available_bytes(device), config.trainer_mode != FORWARD_ONLY
    tokens = max(MICRO_BATCH_TOKENS * config.context_parallelism, config.max_context_length)
    whole = config.trainer_mode == POLICY

    def plan(checkpointing: bool) -> MemoryPlan:
        return plan_memory(
            directory,
            whole=whole,
            backward=backward,
            as_saved=not whole and device.type != "cpu",
            tokens=tokens,
            checkpointing=checkpointing,
            ranks=config.nodes * config.processes,
            scheme=config.scheme,
            in_bfloat16=in_bfloat16,
        )

    try:
        chosen, checkpointing = plan(bool(config.activation_checkpointing)), bool(config.activation_checkpointing)
        if config.activation_checkpointing is None and backward and chosen.total > free:
            chosen, checkpointing = plan(True), True
    except Exception as error:  # its code may not run without content; that is no reason not to train it
        log.info("memory is not planned: %s: %s", type(error).__name__, error)
        return None
    log.info(
        "memory planned%s %s%s; free %s",
        " for each rank" if config.nodes * config.processes > 1 else "",
        chosen,
        " (checkpointing)" if checkpointing else "",
        size_of(free),
    )
    if chosen.total > free:
        log.warning("that is more than there is: shorten the context, train a LoRA adapter, or %s", _LARGER.lower())
    return Plan(chosen, checkpointing, tokens, peak_bytes(device), chosen.total <= free)
