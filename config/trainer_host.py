"""`python -m config.trainer_host`: the process that starts, signals and judges all that runs on this machine.

It asks neither database nor broker, so what runs does not notice when these are away.
"""

from __future__ import annotations

import argparse
import logging.config
import os
import sys
from collections.abc import Sequence

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings

from connections.kinds import local_root
from connections.providers.errors import Retryable
from connections.providers.local.asking import HostClient
from connections.providers.local.trainer_host import Taken, serve


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """What the command line asks for; one that is wrong ends the process."""
    parser = argparse.ArgumentParser(prog="python -m config.trainer_host", description=__doc__)
    parser.add_argument(
        "--end-within",
        type=float,
        metavar="SECONDS",
        help="as it is told to stop, end all that runs, in so many seconds: for a container, whose end that is",
    )
    parser.add_argument("--check", action="store_true", help="only say whether one answers, by the exit code")
    return parser.parse_args(given)


def main(asked: argparse.Namespace) -> str | None:
    """Answer until a signal says to stop; a line for the terminal where there is nothing to do or to find."""
    if asked.check:
        return _missing()
    logging.config.dictConfig(settings.LOGGING)
    try:
        serve(local_root(), end_within=asked.end_within)
    except Taken as taken:
        return f"slipway: {taken}"
    return None


def _missing() -> str | None:
    try:
        HostClient(local_root()).state()
    except (Retryable, OSError):
        return "slipway: no trainer-host answers"
    return None


if __name__ == "__main__":
    sys.exit(main(arguments(sys.argv[1:])))
