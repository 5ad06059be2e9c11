"""Which Postgres and which broker are used: the given addresses, else embedded ones."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from embedded.addresses import check_broker, check_database, free_port
from embedded.broker import Broker, find_server
from embedded.console import Console, TransientTrouble, Trouble
from embedded.home import Home
from embedded.postgres import Postgres, find_binaries
from embedded.privileges import account_for
from embedded.processes import ChildProcess, ServerUser

Server = Postgres | Broker
SomeServer = TypeVar("SomeServer", Postgres, Broker)
PAUSES = (0.5, 1.0, 2.0)
"""Before a server that did not start is tried again, with another port; then it is given up."""


@dataclass(frozen=True)
class Servers:
    """Addresses in use, and the embedded servers behind them in the order in which they are started."""

    database_url: str
    redis_url: str
    processes: list[tuple[Server, ChildProcess]]

    def stop(self, deadline: float) -> None:
        """Stop the embedded ones, last started first."""
        for server, process in reversed(self.processes):
            server.stop(process, deadline)


def start_servers(home: Home, console: Console, *, durable: bool = True, given: bool = True) -> Servers:
    """Start what is not given by DATABASE_URL and REDIS_URL (which are ignored with `given=False`).

    Raises:
        Trouble: a given address does not work, or an embedded server cannot be found or started.
    """
    database_url = os.environ.get("DATABASE_URL", "") if given else ""
    redis_url = os.environ.get("REDIS_URL", "") if given else ""
    if database_url:
        check_database(database_url)
        console.say("Postgres: the one of DATABASE_URL")
    if redis_url:
        check_broker(redis_url)
        console.say("Broker: the one of REDIS_URL")
    servers = Servers(database_url, redis_url, [])
    try:
        if not database_url:
            servers = _with_postgres(servers, home, console, durable)
        if not redis_url:
            servers = _with_broker(servers, home, console)
    except BaseException:
        servers.stop(deadline=0)
        raise
    return servers


def _with_postgres(servers: Servers, home: Home, console: Console, durable: bool) -> Servers:
    binaries = find_binaries()
    if not binaries:
        raise Trouble("There is no Postgres for this machine: install one, or set DATABASE_URL.")
    account = _account(home, binaries / "postgres")

    def start() -> tuple[Postgres, subprocess.Popen[bytes]]:
        server = Postgres(
            home.postgres,
            binaries=binaries,
            port=free_port(),
            log=home.log("postgres"),
            account=account,
            durable=durable,
        )
        server.end_leftovers()
        server.prepare()
        return server, server.start()

    console.say("Starting Postgres" if (home.postgres / "data").exists() else f"Setting up Postgres in {home.postgres}")
    server, process = _patiently(start, console)
    return Servers(server.url, servers.redis_url, [*servers.processes, (server, process)])


def _with_broker(servers: Servers, home: Home, console: Console) -> Servers:
    program = find_server()
    if not program:
        raise Trouble("There is no Valkey or Redis for this machine: install one, or set REDIS_URL.")
    account = _account(home, program)

    def start() -> tuple[Broker, subprocess.Popen[bytes]]:
        server = Broker(home.broker, program=program, port=free_port(), log=home.log("broker"), account=account)
        server.prepare()
        return server, server.start()

    console.say("Starting the broker")
    server, process = _patiently(start, console)
    return Servers(servers.database_url, server.url, [*servers.processes, (server, process)])


def _patiently(
    start: Callable[[], tuple[SomeServer, subprocess.Popen[bytes]]], console: Console
) -> tuple[SomeServer, subprocess.Popen[bytes]]:
    """Start it, and again after a pause where it died on the way. Raises TransientTrouble where it always did."""
    for pause in PAUSES:
        try:
            return start()
        except TransientTrouble as trouble:
            console.say(f"{trouble}; trying again in {pause:.1f} s")
            time.sleep(pause)
    return start()


def _account(home: Home, program: Path) -> ServerUser | None:
    return account_for(home.path, program)
