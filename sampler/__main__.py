"""`python -m sampler CONFIG.json`, see trainer/program.py."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from sampler.config import load_config
from sampler.runtime import SamplerRuntime
from trainer.outcome import Ending
from trainer.program import run_program

log = logging.getLogger("sampler")


def open_runtime(path: Path, token: str) -> Callable[[], Ending]:
    config = load_config(path)
    config.directory.mkdir(parents=True, exist_ok=True)
    log.info("sampler of %s: base model %s, engine %s", config.deployment, config.base_model, config.engine)
    return lambda: SamplerRuntime(config, token).run()


if __name__ == "__main__":
    run_program("sampler", open_runtime)
