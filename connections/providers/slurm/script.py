"""The options of sbatch and the script of a job. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from connections.providers.slurm.config import SlurmConfig
from connections.providers.spec import TrainerSpec
from connections.providers.trainer_files import files

MODULE = "connections.providers.slurm.job"
PYTHON = "python3"


def gres_for(spec: TrainerSpec, config: SlurmConfig) -> str | None:
    """What to ask Slurm for on each node, "" for no GPU; None where the connection has no word for the type."""
    if not spec.accelerator_count:
        return ""
    gres = config.gres_by_type.get(spec.accelerator_type or config.unnamed_type)
    return f"{gres}:{spec.accelerator_count}" if gres else None


def options(spec: TrainerSpec, config: SlurmConfig, *, name: str, log: Path, folder: Path) -> Sequence[str]:
    """What sbatch is told. No secret is among it: the cluster's users can read it."""
    share = max(1, spec.accelerator_count)
    asked = {
        "job-name": name,
        "partition": config.partition,
        "account": config.account,
        "qos": config.qos,
        "nodes": spec.node_count,
        "ntasks-per-node": 1,
        "gres": gres_for(spec, config) or "",
        "cpus-per-task": config.cpus_per_gpu * share,
        "mem": f"{config.memory_per_gpu * share}G",
        "time": config.time_limit,
        "signal": f"B:USR1@{config.grace}",
        "output": log,
        "open-mode": "append",
        "chdir": folder,
    }
    return ["--no-requeue", *(f"--{option}={value}" for option, value in asked.items() if value)]


def script(config: SlurmConfig, *, directory: Path, code: Path) -> str:
    """A login shell, in which module commands are known, that becomes job.py.

    The warning before the time limit must not end it before job.py listens.
    """
    python = f"{config.environment}/bin/python" if config.environment else PYTHON
    command = shlex.join([python, "-m", MODULE, str(directory)])
    lines = ["#!/bin/bash -l", "trap '' USR1", config.setup.replace("\r\n", "\n")]
    path = f"export PYTHONPATH={shlex.quote(str(code))}"
    return "\n".join([*filter(None, lines), path, f"exec {command}", ""])


def plan(config: SlurmConfig, *, directory: Path, code: Path, trainer: str, made: Path) -> dict[str, Any]:
    """What job.py runs; `made` is where the trainer's environment is made where the connection has none."""
    environment = Path(config.environment or made)
    prepare = [] if config.environment else [PYTHON, str(code / trainer / "prepare.py"), str(environment)]
    return {
        "prepare": prepare,
        "trainer": [str(environment / "bin" / "python"), "-m", trainer, str(directory / files.CONFIG)],
        "cwd": str(code),
        "grace_seconds": config.grace,
    }
