"""Setting up the database, by a process that can load the application: tables, accounts, catalog, static files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import psycopg

from embedded.console import Console, TransientTrouble, Trouble, last_lines
from embedded.home import ROOT, Home
from embedded.processes import ChildProcess, spawn
from embedded.supervised import ending


def start_setting_up(home: Home, env: Mapping[str, str], start: Callable[..., ChildProcess] = spawn) -> ChildProcess:
    """Start it by `start`, which is `spawn` or `fork`; `follow` waits for its end."""
    argv = [sys.executable, "-m", "embedded.prepare"]
    return start(argv, env=env, cwd=ROOT, log=home.log("prepare"), stdout=subprocess.PIPE)


def follow(process: ChildProcess, home: Home, console: Console, notes: list[str]) -> None:
    """Say what it does until it has ended; `notes` gets what is to be told afterwards, such as a made-up password.

    Raises:
        TransientTrouble: a server broke off, or somebody ended it, so that it may succeed the next time.
        Trouble: it failed.
    """
    log = home.log("prepare")
    assert process.stdout is not None
    for line in process.stdout:
        message: dict[str, Any] = json.loads(line)
        if doing := message.get("doing"):
            console.say(doing)
        if error := message.get("error"):
            kind = TransientTrouble if message.get("passing") else Trouble
            raise kind(f"{error} (more in {log})")
        notes += message.get("output", "").splitlines()
    if code := process.wait():
        if code < 0:
            raise TransientTrouble(f"Setting up the database was {ending(code)}")
        raise Trouble(f"Setting up the database ended with {ending(code)}: {' '.join(last_lines(log, 1))}")


def is_empty(database_url: str) -> bool:
    """Whether nothing was ever set up in this database."""
    with psycopg.connect(database_url, connect_timeout=5) as connection:
        row = connection.execute("SELECT to_regclass('django_migrations')").fetchone()
    return row == (None,)
