"""What Slurm says of a job that it is asked about and does not get (`sbatch --test-only`)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from connections.providers.errors import ProviderError, Unreachable
from connections.providers.slurm import script
from connections.providers.slurm.ground import SlurmGround
from connections.providers.slurm.names import PREFIX
from connections.providers.spec import TrainerSpec
from connections.providers.trials import Trial

_START = re.compile(r"Job \d+ to start at (\S+) using \d+ processors on (?:nodes )?(\S+)")


def try_out(ground: SlurmGround, spec: TrainerSpec) -> Trial:
    """What it would do with the spec now. Errors: `Unreachable`."""
    name = f"{PREFIX}.{ground.instance}.check"
    options = script.options(spec, ground.config, name=name, log=Path("/dev/null"), folder=ground.root)
    body = script.script(ground.config, directory=ground.root, code=ground.root)
    try:
        return read_trial(ground.client.try_out(options, body))
    except Unreachable:
        raise
    except ProviderError as error:
        return Trial(would_take=False, words=str(error))


def read_trial(said: str) -> Trial:
    """Of what sbatch says; its times are UTC. Pure."""
    words = " ".join(said.split()).removeprefix("sbatch: ")[:400]
    found = _START.search(words)
    if not found:
        return Trial(would_take=True, words=words)
    try:
        starts = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    except ValueError:
        starts = None
    return Trial(True, words, starts, found[2])
