"""`./run`: starts everything, restarts what dies, stops everything in the right order."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import NoReturn

from embedded.addresses import web_port
from embedded.admin_password import take_admin_password
from embedded.console import Console, TransientTrouble, Trouble, last_lines
from embedded.forking import fork, load
from embedded.home import ROOT, Home, Running
from embedded.leftovers import end_leftovers
from embedded.logs import LogBounds, rotate
from embedded.postgres import find_binaries
from embedded.processes import ChildProcess, kill, kill_group, marked, recorded, spawn, wait
from embedded.servers import Servers, start_servers
from embedded.services import LOADED, MARK, command_lines, environment, programs_path
from embedded.setting_up import follow, start_setting_up
from embedded.supervised import Supervised

POLL_SECONDS = 0.2
READY_SECONDS = 180
MOST_FAILURES = 5
"""In a row, of one part while everything starts; then it is given up. What has started is started again for ever."""
# Seconds after the start of a stop at which each part must be gone; all in all less than ten as a rule.
WORKERS_GONE, TRAINERS_GONE, WEB_GONE, SERVERS_GONE = 1.5, 7.0, 7.4, 7.8
TRAINERS_LATE = 45.0
"""More seconds for trainers on a busy machine: one killed before it was noted why would be said to have failed."""


class Stop(BaseException):
    """A signal asked us to stop."""


class Supervisor:
    """One run on one state folder; its lock is held by the caller."""

    def __init__(self, home: Home, console: Console) -> None:
        self._home = home
        self._console = console
        self._port = web_port()
        self._bounds = LogBounds.from_environment()
        self._url = f"http://127.0.0.1:{self._port}/"
        self._servers = Servers("", "", [])
        self._children: dict[str, Supervised] = {}
        self._env: dict[str, str] = {}
        self._password = take_admin_password()
        self._preparing: ChildProcess | None = None
        self._start_python: Callable[..., ChildProcess] = spawn
        self._notes: list[str] = []
        self._recorded = False

    def run(self) -> None:
        """Start everything and keep it running until a signal asks to stop.

        Raises:
            Trouble: something could not be started; everything else has been stopped by then.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _raise_stop)
        try:
            self._start()
            self._watch()
        except Stop:
            self._console.say("Stopping")
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            self._tell_notes()
            self._stop()
        self._console.say("Stopped")

    def _start(self) -> None:
        rotate(self._home.logs, self._bounds)
        self._record()
        servers = self._servers = start_servers(self._home, self._console)
        self._env = environment(self._home, database_url=servers.database_url, redis_url=servers.redis_url) | {
            "PORT": str(self._port),
            MARK: str(self._home.path),
            "PATH": programs_path(find_binaries()),
            "PYTHONUNBUFFERED": "1",
        }
        for server, process in servers.processes:
            self._children[server.name] = Supervised(server.name, server.spawn, process, self._home.log(server.name))
        self._record()
        if load(LOADED, self._env):
            self._start_python = fork
        self._prepare()
        self._console.say("Starting trainer-host, web, worker and beat")
        for name, argv in command_lines(self._port).items():
            start = partial(
                self._start_python,
                argv,
                env=self._env,
                cwd=ROOT,
                log=self._home.log(name),
                # Only the web server can end its workers, and it does so quickly.
                death_signal=signal.SIGTERM if name == "web" else signal.SIGKILL,
            )
            self._children[name] = Supervised(name, start, start(), self._home.log(name))
        self._record()
        self._wait_until_ready()
        self._console.say()
        self._console.say(f"Slipway is ready: {self._url}")
        self._tell_notes()
        self._console.say(f"  Logs are in {self._home.logs}; Ctrl-C stops everything.")

    def _prepare(self) -> None:
        """Migrations, accounts, catalog; repeated where a server broke off. Notes what the commands had to say."""
        failures = 0
        while True:
            try:
                return self._prepare_once()
            except TransientTrouble as trouble:
                failures += 1
                if failures > MOST_FAILURES:
                    raise
                pause = 0.5 * 2.0**failures
                self._console.say(f"{trouble}; trying again in {pause:.0f} s")
                self._attend_for(pause)

    def _prepare_once(self) -> None:
        start = spawn if self._password else self._start_python  # what is loaded read settings without it
        self._preparing = start_setting_up(self._home, self._env | self._password, start)
        follow(self._preparing, self._home, self._console, self._notes)
        self._password = {}

    def _tell_notes(self) -> None:
        """Say what the commands had to say, once: a password that was made up is never shown again."""
        for line in self._notes:
            self._console.say(f"  {line}")
        self._notes.clear()

    def _wait_until_ready(self) -> None:
        """Wait until all is there; what dies meanwhile is started again, and given up after several times in a row.

        Raises:
            Trouble: a part was given up, or the time is over.
        """
        deadline = time.monotonic() + READY_SECONDS
        while True:
            self._attend_for(POLL_SECONDS)
            missing = self._missing()
            if not missing:
                return
            if time.monotonic() > deadline:
                said = "; ".join(f"{name}: {why}" for name, why in missing.items())
                raise Trouble(f"Not ready after {READY_SECONDS} s: {said} (logs in {self._home.logs})")

    def _attend_for(self, seconds: float) -> None:
        """Look after the children while everything starts. Raises Trouble where one keeps dying."""
        deadline = time.monotonic() + seconds
        while True:
            self._attend()
            for child in self._children.values():
                if child.failures > MOST_FAILURES:
                    child.show_log(self._console)
                    often = f"for the {child.failures}th time in a row, so it was given up"
                    raise Trouble(f"{child.name} {child.why} {often}; its log is {child.log}")
            if time.monotonic() > deadline:
                return
            time.sleep(POLL_SECONDS)

    def _missing(self) -> dict[str, str]:
        """What web and the system lack yet, each with its reason; a full disk keeps nobody from starting."""
        found: dict[str, str] = {}
        for path in ("/readyz", "/statusz"):
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
            try:
                connection.request("GET", path)
                found |= json.loads(connection.getresponse().read(4000))["checks"]
            except (OSError, http.client.HTTPException, ValueError, KeyError):
                return {"web": "no answer"}
            finally:
                connection.close()
        return {name: why for name, why in found.items() if why != "ok" and name != "disk"}

    def _watch(self) -> NoReturn:
        while True:
            self._attend()
            rotate(self._home.logs, self._bounds)
            self._home.reserve.keep()
            time.sleep(POLL_SECONDS)

    def _attend(self) -> None:
        """Start again what died and has waited long enough."""
        for child in self._children.values():
            if child.attend(self._console):
                self._recorded = False
            if child.restart_at is not None and self._home.reserve.release():
                self._console.say(f"The disk is full; its reserve is freed, so that {child.name} can start")
        if not self._recorded:
            self._record()

    def _record(self) -> None:
        """Write down what runs; where the disk is full, the next look tries again."""
        children = {child.name: recorded(child.process) for child in self._children.values()}
        addresses = {"database_url": self._servers.database_url, "redis_url": self._servers.redis_url}
        running = Running(os.getpid(), "run", self._url, **addresses, children=children)
        with contextlib.suppress(OSError):
            self._home.write_running(running)
            self._recorded = True

    def _stop(self) -> None:
        began = time.monotonic()
        if self._preparing and self._preparing.poll() is None:
            kill_group(self._preparing.pid)
        trainers = self._prepare_to_end_trainers() if "worker" in self._children else None
        self._ask_to_end("beat", "worker")
        self._end("beat", "worker", deadline=began + WORKERS_GONE)
        self._ask_to_end("web")
        if trainers:
            self._end_trainers(trainers, began + TRAINERS_GONE)
        late = max(0.0, time.monotonic() - began - TRAINERS_GONE)
        self._ask_to_end("trainer-host")
        self._end("web", "trainer-host", deadline=began + WEB_GONE + late)
        self._servers_in_force().stop(began + SERVERS_GONE + late)
        if stragglers := marked(MARK, str(self._home.path)):
            self._console.say(f"Killing {len(stragglers)} processes that did not stop by themselves")
            kill(stragglers)
        self._home.forget_running()

    def _servers_in_force(self) -> Servers:
        """The servers with their processes of now, which restarts may have replaced."""
        current = {name: child.process for name, child in self._children.items()}
        return replace(
            self._servers,
            processes=[(server, current.get(server.name, process)) for server, process in self._servers.processes],
        )

    def _ask_to_end(self, *names: str) -> None:
        for name in names:
            if name in self._children and self._children[name].process.poll() is None:
                self._children[name].process.terminate()

    def _end(self, *names: str, deadline: float) -> None:
        for name in names:
            if name in self._children:
                process = self._children[name].process
                wait(process, deadline)
                kill_group(process.pid)
                process.wait()

    def _prepare_to_end_trainers(self) -> ChildProcess:
        """Start the command that ends the trainers; it loads the application and waits until no worker runs."""
        return self._start_python(
            [sys.executable, "-m", "embedded.end_trainers"],
            env=self._env,
            cwd=ROOT,
            log=self._home.log("stop"),
            stdin=subprocess.PIPE,
        )

    def _end_trainers(self, process: ChildProcess, deadline: float) -> None:
        """Let the application end its local trainers and write down why."""
        log = self._home.log("stop")
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        if not wait(process, deadline):
            self._console.say("Still ending the trainers, so that each is noted as stopped; checkpoints are kept")
        if not wait(process, deadline + TRAINERS_LATE):
            self._console.say("Trainers did not stop in time and are killed; checkpoints are kept")
            kill_group(process.pid)
        elif process.returncode:
            self._console.say(f"Trainers could not be stopped in order: {' '.join(last_lines(log, 1))}")


def _raise_stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Stop


def supervise(home: Home) -> None:
    """`./run`. Raises Trouble where it cannot run; its text is one clear line."""
    home.prepare()
    with home.held() as free:
        if not free:
            raise Trouble(_already_running(home))
        console = Console()
        console.say(f"Slipway, with its state in {home.path}")
        end_leftovers(home, console)
        Supervisor(home, console).run()


def _already_running(home: Home) -> str:
    running = home.read_running()
    if running and running.purpose != "run":
        return f"./run {running.purpose} (process {running.pid}) is using {home.path}; start again when it has ended."
    where = f" at {running.url} (process {running.pid})" if running else ""
    return f"Slipway is already running{where}, with its state in {home.path}."
