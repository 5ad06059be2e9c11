"""`python -m trainer CONFIG.json`, with the token in SLIPWAY_TRAINER_TOKEN. Exit codes: trainer/outcome.py."""

from __future__ import annotations

import logging
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from trainer.config import load_config
from trainer.errors import ConfigError
from trainer.outcome import BAD_CONFIG, EXIT_CODES
from trainer.runtime import Runtime

TOKEN_VARIABLE = "SLIPWAY_TRAINER_TOKEN"  # noqa: S105  # a name, no token
log = logging.getLogger("trainer")


def main(arguments: list[str]) -> int:
    configure_logging()
    token = os.environ.pop(TOKEN_VARIABLE, "")
    # No model hub is asked for anything: a model is a directory of this machine.
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    try:
        if len(arguments) != 1:
            raise ConfigError("Usage: python -m trainer CONFIG.json")
        if not token:
            raise ConfigError(f"Set {TOKEN_VARIABLE} to the token that requests must carry.")
        config = load_config(Path(arguments[0]))
        config.directory.mkdir(parents=True, exist_ok=True)
    except (ConfigError, OSError) as error:
        log.error("%s", error)
        return BAD_CONFIG
    log.info(
        "trainer of job %s: %s, base model %s, recipe %s",
        config.job,
        config.trainer_mode,
        config.base_model,
        config.recipe,
    )
    try:
        ending = Runtime(config, token).run()
    except (ConfigError, OSError) as error:
        log.error("%s", error)
        return EXIT_CODES["ERROR"]
    log.log(
        logging.ERROR if ending.reason == "ERROR" else logging.INFO,
        "exit %d %s: %s",
        ending.exit_code,
        ending.reason,
        ending.message,
    )
    return ending.exit_code


def configure_logging() -> None:
    """Plain lines on stdout, times in UTC. SLIPWAY_TRAINER_DEBUG=1 adds tracebacks."""
    logging.Formatter.converter = time.gmtime
    debug = os.environ.get("SLIPWAY_TRAINER_DEBUG") == "1"
    logging.basicConfig(
        stream=sys.stdout,
        level=logging.WARNING,
        format="%(asctime)sZ %(levelname)-7s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
        force=True,
    )
    logging.getLogger("trainer").setLevel(logging.DEBUG if debug else logging.INFO)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    with suppress(OSError):  # a log that cannot be written is no reason to end otherwise
        sys.stdout.flush()
    # Threads inside torch cannot be asked to stop, and everything that must last is on the disk already.
    os._exit(code)
