"""The Postgres that `./run test` begins with: in one of its databases all migrations ran; others are copied from it.

It is made once and kept beside the environments under a digest of what makes it, because that takes longer than most
files of tests. A changed migration, another environment or another Postgres makes it anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psycopg
from psycopg import sql

from embedded import environment as environments
from embedded.console import Console, Trouble
from embedded.home import ROOT, Home, temporary_home
from embedded.postgres import find_binaries
from embedded.servers import start_servers
from embedded.services import MANAGE, environment

DATABASE = "slipway_tables"
STOP_SECONDS = 30
MOST_KEPT = 4
"""Of several checkouts that share their environments; the ones that were used last."""


def bring(home: Home, folder: Path) -> None:
    """Copy the kept Postgres into the new state folder; it is made where `folder` has none for this code.

    Raises:
        Trouble: it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"tables-{digest(ROOT)}"
    with (folder / "tables.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            _make(kept)
        os.utime(kept)
        shutil.copytree(kept, home.postgres)
        for other in sorted(folder.glob("tables-*"), key=lambda one: one.stat().st_mtime)[:-MOST_KEPT]:
            shutil.rmtree(other)


def digest(root: Path) -> str:
    """Of the migrations, ours and the installed ones, of the Postgres that they run in, and of how they are kept."""
    sha = hashlib.sha256(f"{environments.place('test').name}".encode() + Path(__file__).read_bytes())
    if binaries := find_binaries():
        program = (binaries / "postgres").stat()
        sha.update(f"{binaries} {program.st_size} {program.st_mtime_ns}".encode())
    for path in sorted(root.glob("*/migrations/*.py")):
        sha.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())
    return sha.hexdigest()[:12]


def _make(kept: Path) -> None:
    with temporary_home() as home:
        servers = start_servers(home, Console(silent=True), durable=False, given=False)
        try:
            address = _new_database(servers.database_url)
            _migrate(environment(home, database_url=address, redis_url=servers.redis_url))
            _forget_home(address)
        finally:
            servers.stop(time.monotonic() + STOP_SECONDS)
        draft = kept.with_name(f"new-{kept.name}")  # the name comes last, so that a half-made one is never used
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(home.postgres, draft)
        draft.rename(kept)


def _new_database(address: str) -> str:
    """The address of a new database with that name on the same server."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    return f"{address.rpartition('/')[0]}/{DATABASE}"


def _forget_home(address: str) -> None:
    """So that a copy takes the place where it is for its own, and not itself for the copy of another Slipway."""
    with psycopg.connect(address) as connection:
        connection.execute("UPDATE connections_instance SET home = ''")


def _migrate(env: dict[str, str]) -> None:
    command = [*MANAGE, "migrate", "--noinput", "--verbosity", "0"]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise Trouble("The tables for the tests could not be made; what migrate said stands above.")
