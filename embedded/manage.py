"""`./run manage`: a Django management command against the running state."""

from __future__ import annotations

import os
import signal
import sys
import time
from urllib.parse import urlsplit

from embedded.console import Console
from embedded.foreground import run_in_foreground
from embedded.home import Home, Running
from embedded.leftovers import end_leftovers
from embedded.postgres import find_binaries
from embedded.processes import recorded
from embedded.servers import start_servers
from embedded.services import MANAGE, environment, programs_path
from embedded.setting_up import follow, is_empty, start_setting_up

HELP = {"-h", "--help", "--version"}
WITHOUT_TABLES = {
    "help",
    "version",
    "check",
    "diffsettings",
    "migrate",
    "showmigrations",
    "sqlmigrate",
    "makemigrations",
}
WAIT_SECONDS = 0.3
STOP_SECONDS = 8


def manage(home: Home, arguments: list[str]) -> int:
    """Run the command with the servers of the running Slipway, or else with servers started for its duration.

    Returns its exit code. Standard output is the command's own.

    Raises:
        Trouble: the servers could not be started.
    """
    console = Console(to_stderr=True)
    home.prepare()
    waiting = False
    while True:
        with home.held() as free:
            if free:
                return _with_servers_of_its_own(home, console, arguments)
        running = home.read_running()
        if running and running.purpose == "run" and running.database_url:
            _become_command(home, running, arguments)
        if not waiting:
            waiting = True
            console.say(f"Waiting for the other ./run that is using {home.path}")
        time.sleep(WAIT_SECONDS)


def needs_tables(arguments: list[str]) -> bool:
    """Whether the command is about what lies in the database, and not about its tables or the program alone."""
    command = arguments[0] if arguments else "help"
    return not (command.startswith("-") or command in WITHOUT_TABLES or HELP & set(arguments))


def _set_up(home: Home, env: dict[str, str], console: Console) -> None:
    """Do what the first start does, and say the same of it."""
    console.say(f"Nothing was ever started in {home.path}, so it is set up first")
    notes: list[str] = []
    try:
        follow(start_setting_up(home, env), home, console, notes)
    finally:
        for line in notes:
            console.say(f"  {line}")


def _environment(home: Home, database_url: str, redis_url: str) -> dict[str, str]:
    path = programs_path(find_binaries())
    return environment(home, database_url=database_url, redis_url=redis_url) | {"PATH": path}


def _become_command(home: Home, running: Running, arguments: list[str]) -> None:
    database_url = os.environ.get("DATABASE_URL") or running.database_url
    redis_url = os.environ.get("REDIS_URL") or running.redis_url
    environ = _environment(home, database_url, redis_url)
    environ["PORT"] = str(urlsplit(running.url).port or "")  # links that a command prints lead to the one that runs
    os.execve(sys.executable, [*MANAGE, *arguments], environ)  # noqa: S606


def _with_servers_of_its_own(home: Home, console: Console, arguments: list[str]) -> int:
    end_leftovers(home, console)
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(128 + signal.SIGTERM))
    servers = start_servers(home, Console(silent=True))
    try:
        children = {server.name: recorded(process) for server, process in servers.processes}
        purpose = " ".join(["manage", *arguments[:1]])
        home.write_running(Running(os.getpid(), purpose, "", servers.database_url, servers.redis_url, children))
        env = _environment(home, servers.database_url, servers.redis_url)
        if needs_tables(arguments) and is_empty(servers.database_url):
            _set_up(home, env, console)
        return run_in_foreground([*MANAGE, *arguments], env=env)
    finally:
        servers.stop(time.monotonic() + STOP_SECONDS)
        home.forget_running()
