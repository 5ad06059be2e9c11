"""The options of sbatch and the script of a job. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from connections.providers.slurm.config import PYXIS, SlurmConfig
from connections.providers.spec import TrainerSpec
from connections.providers.trainer_files import files
from connections.providers.trainer_files.base_models import directories_in
from connections.providers.unnamed import NO_TYPE

MODULE = "connections.providers.slurm.job"
PYTHON = "python3"
TASK = """
SLIPWAY_TRAINER_TOKEN=$(cat "$0") && export SLIPWAY_TRAINER_TOKEN || exit 1
(trap "" USR2; exec "$@") & trainer=$!
trap : TERM; trap 'kill -TERM "$trainer"' USR2
while wait "$trainer"; code=$?; kill -0 "$trainer" 2>/dev/null; do :; done
exit "$code"
"""
"""What srun starts on each node. SIGTERM would have srun kill all at once; SIGUSR2 it hands on to all of a step."""


def type_for(spec: TrainerSpec, config: SlurmConfig) -> str:
    """Of the GPUs that it gets: its own, or what the connection gives where it names none."""
    return spec.accelerator_type or config.unnamed_type.removeprefix(NO_TYPE)


def gres_for(spec: TrainerSpec, config: SlurmConfig) -> str | None:
    """What to ask Slurm for on each node, "" for no GPU; None where the connection has no word for the type."""
    if not spec.accelerator_count:
        return ""
    gres = config.gres_by_type.get(type_for(spec, config))
    return f"{gres}:{spec.accelerator_count}" if gres else None


def gangs(spec: TrainerSpec, config: SlurmConfig) -> Sequence[str]:
    """Before the trainer of several nodes: it is started once on each, and none outlives another."""
    if spec.trainer_nodes == 1:
        return []
    nodes, cpus = spec.trainer_nodes, config.cpus_per_gpu * max(1, spec.accelerator_count)
    fixed = ["--ntasks-per-node=1", "--kill-on-bad-exit=1"]
    return ["srun", f"--nodes={nodes}", f"--ntasks={nodes}", *fixed, f"--cpus-per-task={cpus}"]


def image_of(spec: TrainerSpec, config: SlurmConfig) -> str:
    """The image that a trainer of the spec runs in, "" for none."""
    return config.image.replace("{tag}", spec.trainer_image_tag or "")


def contained(spec: TrainerSpec, config: SlurmConfig, *, code: Path) -> tuple[Sequence[str], Sequence[str]]:
    """What enters the image: as options of srun, and as words before the command. Both empty without an image.

    Of the node it sees the shared directory and the folders of base models, under the same paths.
    """
    image = image_of(spec, config)
    seen = dict.fromkeys((config.shared, *map(str, directories_in(config.models).values())))
    if not image:
        return [], []
    path = ["env", f"PYTHONPATH={code}"]
    if config.container == PYXIS:
        mounts = ",".join(f"{each}:{each}" for each in seen)
        return [f"--container-image={image}", f"--container-mounts={mounts}", f"--container-workdir={code}"], path
    mounted = [word for each in seen for word in ("--bind", each)]
    gpus = ["--nv"] if spec.accelerator_count else []
    return [], ["apptainer", "exec", *gpus, *mounted, "--pwd", str(code), image, *path]


def options(spec: TrainerSpec, config: SlurmConfig, *, name: str, log: Path, folder: Path) -> Sequence[str]:
    """What sbatch is told. No secret is among it: the cluster's users can read it."""
    share = max(1, spec.accelerator_count)
    asked = {
        "job-name": name,
        "partition": config.partition,
        "account": config.account,
        "qos": config.qos,
        "nodes": spec.trainer_nodes,
        "ntasks-per-node": 1,
        "gres": gres_for(spec, config) or "",
        "cpus-per-task": config.cpus_per_gpu * share,
        "mem": f"{config.memory_per_gpu * share}G",
        "time": config.time_limit,
        "signal": f"B:USR1@{config.grace}",
        "output": str(log).replace("%", "%%"),
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


def plan(
    spec: TrainerSpec, config: SlurmConfig, *, directory: Path, code: Path, trainer: str, made: Path
) -> dict[str, Any]:
    """What job.py runs; `made` is where the trainer's environment is made where the connection has none.

    What srun starts reads the token from its file, since srun sends its environment over the network.
    """
    environment = Path(config.environment or made)
    of_srun, before = contained(spec, config, code=code)
    python = PYTHON if config.image else str(environment / "bin" / "python")
    command = [*before, python, "-m", trainer, str(directory / files.CONFIG)]
    started = gangs(spec, config) or (["srun", "--nodes=1", "--ntasks=1"] if of_srun else [])
    if started:
        command = [*started, *of_srun, "sh", "-c", TASK, str(directory / files.TOKEN), *command]
    makes = not (config.environment or config.image)
    return {
        "prepare": [PYTHON, str(code / trainer / "prepare.py"), str(environment)] if makes else [],
        "trainer": command,
        "by_srun": bool(started),
        "cwd": str(code),
        "grace_seconds": config.grace,
    }
