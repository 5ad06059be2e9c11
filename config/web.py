"""The web server of `./run` and of the image: the application is loaded once, and what serves is forked off that.

So they share what it takes in memory, and one that died is replaced without loading it anew. Nothing here may open a
connection or start a thread before they are forked.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces

from config.counting_folder import choose_folder, held_folder

TARGET = "config.asgi:application"
LOG_CONFIG = Path(__file__).with_name("granian.json")
MOST_OPEN = 4096
"""Connections and requests: event streams are open for hours, and many are held at a time."""


def _application() -> Any:
    """The application, with what Django would leave to each process's first requests."""
    import_module("config.loaded").load_web()
    return import_module("config.asgi").application


def main() -> None:
    """Serve until a signal says to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--patience", type=int, default=1, help="seconds that a stop waits for what is being answered")
    parser.add_argument("--access-log", action="store_true", help="the server's own, beside ours")
    asked = parser.parse_args()
    choose_folder()
    with held_folder():
        serve(asked)


def serve(asked: argparse.Namespace) -> None:
    """Serve until a signal says to stop."""
    if sys.platform == "linux":
        multiprocessing.set_start_method("fork", force=True)  # who forked this one may have chosen, too
        _application()
        gc.collect()
        gc.freeze()
    Granian(
        TARGET,
        address=asked.host,
        port=asked.port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,  # no proxy and no browser speaks HTTP/2 without TLS; to be ready for it costs 12 KB each
        workers=asked.workers,
        backlog=MOST_OPEN,
        backpressure=MOST_OPEN,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        log_access=asked.access_log,
        log_dictconfig=json.loads(LOG_CONFIG.read_text()),
        workers_kill_timeout=asked.patience,  # open streams would go on for hours
    ).serve(target_loader=_application, wrap_loader=False)


if __name__ == "__main__":
    main()
