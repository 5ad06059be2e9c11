"""`python -m trainer CONFIG.json`, see trainer/program.py."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from trainer.config import load_config
from trainer.outcome import Ending
from trainer.program import run_program
from trainer.ranks.follow import Follower
from trainer.ranks.places import find_place
from trainer.runtime import Runtime

log = logging.getLogger("trainer")


def open_runtime(path: Path, token: str) -> Callable[[], Ending]:
    config = load_config(path)
    place = find_place(config.nodes, config.processes)
    if place.rank:
        follower = Follower(config, place, lambda crew: crew.start(path, token))
        return follower.run
    config.directory.mkdir(parents=True, exist_ok=True)
    log.info(
        "trainer of job %s: %s, base model %s, recipe %s",
        config.job,
        config.trainer_mode,
        config.base_model,
        config.recipe,
    )

    # What is opened by now may still turn out not to run, which is another exit code than a bad configuration's.
    return lambda: Runtime(config, token, place, path).run()


if __name__ == "__main__":
    run_program("trainer", open_runtime)
