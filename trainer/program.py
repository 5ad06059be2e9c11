"""How `python -m PROGRAM CONFIG.json` begins and ends, for the programs that serve a model over HTTP.

The token that requests must carry is in SLIPWAY_TRAINER_TOKEN. Exit codes: trainer/outcome.py.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from trainer.errors import ConfigError
from trainer.outcome import BAD_CONFIG, EXIT_CODES, Ending

TOKEN_VARIABLE = "SLIPWAY_TRAINER_TOKEN"  # noqa: S105  # a name, no token


def run_program(program: str, open_runtime: Callable[[Path, str], Callable[[], Ending]]) -> NoReturn:
    """Run it to its end, and end this process.

    `open_runtime` gets the path of CONFIG.json and the token, and returns what runs it; its ConfigError or OSError says
    that the configuration cannot be run.
    """
    code = _run(program, sys.argv[1:], open_runtime)
    with suppress(OSError):  # a log that cannot be written is no reason to end otherwise
        sys.stdout.flush()
    # Threads inside torch cannot be asked to stop, and everything that must last is on the disk already.
    os._exit(code)


def _run(program: str, arguments: list[str], open_runtime: Callable[[Path, str], Callable[[], Ending]]) -> int:
    log = _configure_logging(program)
    token = os.environ.pop(TOKEN_VARIABLE, "")
    # No model hub is asked for anything: a model is a directory of this machine.
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    try:
        if len(arguments) != 1:
            raise ConfigError(f"Usage: python -m {program} CONFIG.json")
        if not token:
            raise ConfigError(f"Set {TOKEN_VARIABLE} to the token that requests must carry.")
        run = open_runtime(Path(arguments[0]), token)
    except (ConfigError, OSError) as error:
        log.error("%s", error)
        return BAD_CONFIG
    try:
        ending = run()
    except (ConfigError, OSError) as error:
        log.error("%s", error)
        return EXIT_CODES["ERROR"]
    level = logging.ERROR if ending.reason == "ERROR" else logging.INFO
    log.log(level, "exit %d %s: %s", ending.exit_code, ending.reason, ending.message)
    return ending.exit_code


def _configure_logging(program: str) -> logging.Logger:
    """Plain lines on stdout, times in UTC. SLIPWAY_TRAINER_DEBUG=1 adds tracebacks."""
    logging.Formatter.converter = time.gmtime
    level = logging.DEBUG if os.environ.get("SLIPWAY_TRAINER_DEBUG") == "1" else logging.INFO
    logging.basicConfig(
        stream=sys.stdout,
        level=logging.WARNING,
        format="%(asctime)sZ %(levelname)-7s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
        force=True,
    )
    for name in {program, "trainer"}:
        logging.getLogger(name).setLevel(level)
    return logging.getLogger(program)
