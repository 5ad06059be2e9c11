"""The process between Slipway and one trainer: `python -m connections.providers.local.wrapper ATTEMPT_DIRECTORY`.

It outlives the worker that started it. It holds the attempt's lock for life, so an attempt has one wrapper ever, and
its being alive is a fact of the kernel's. It prepares the trainer's environment, has the base model downloaded where
the plan says so, runs the trainer, under a user of its own where the plan names one, and writes how that ended. SIGTERM
ends what runs: the whole process group, by force after a grace period. Its standard input says the token of a hub:
trainers without a user of their own could read its environment for as long as it lives. Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from connections.providers.local import limits, reach
from connections.providers.local.lines import LineReader
from connections.providers.trainer_files import files
from connections.providers.trainer_files.outcome import DOWNLOAD_STAGE, Exceeded

RETRY_SECONDS = 1.0
LOCK_SECONDS = 2.0  # others look at the lock for microseconds; a wrapper that has it never lets go
TICK_SECONDS = 0.1
OPEN_UMASK = 0o022  # for the environment that every trainer reads
TOKEN_VARIABLE = "SLIPWAY_TRAINER_TOKEN"  # noqa: S105
_PR_SET_PDEATHSIG = 1
_prctl: Callable[[int, int], int] | None = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


class ProcessGroup:
    """The one process group that runs at a time, and whether somebody asked for the end."""

    def __init__(self, grace_seconds: float) -> None:
        self.asked = False
        self._grace_seconds = grace_seconds
        self._process: subprocess.Popen[str] | None = None
        signal.signal(signal.SIGTERM, lambda *_: self.ask())
        signal.signal(signal.SIGALRM, lambda *_: self._send(signal.SIGKILL))

    def start(
        self,
        command: list[str],
        environment: dict[str, str],
        directory: str,
        confine: Callable[[], None] = lambda: None,
        stdin: int = subprocess.DEVNULL,
        **streams: Any,
    ) -> subprocess.Popen[str]:
        """Start the command as leader of a new process group that dies with this process. Errors: `OSError`.

        `confine` is called in the child.
        """
        parent = os.getpid()

        def prepare() -> None:
            _die_with(parent)
            confine()

        process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=stdin,
            process_group=0,
            preexec_fn=prepare,  # noqa: PLW1509  (this process has one thread)
            text=True,
            errors="replace",
            **streams,
        )
        self._process = process
        if self.asked:  # between the last look and now
            self._end()
        return process

    def wait(self, process: subprocess.Popen[str], meanwhile: Callable[[], None] | None = None) -> int:
        """Wait for the leader, end what it left behind in its group, and return its code (negative: a signal).

        `meanwhile` is called over and over; it returns after a moment.
        """
        linux = sys.platform == "linux"
        while meanwhile and (_is_running(process.pid) if linux else process.poll() is None):
            meanwhile()
        if linux:
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # unreaped, so the number is still the group's
            self._send(signal.SIGKILL)
        code = process.wait()
        self._process = None
        signal.setitimer(signal.ITIMER_REAL, 0)
        return code

    def end(self, *, at_once: bool) -> None:
        """End what runs, by force now or after the grace period."""
        if at_once:
            self._send(signal.SIGKILL)
        else:
            self._end()

    def ask(self) -> None:
        """Somebody wants the end; however often it is said, what runs is told once."""
        first, self.asked = not self.asked, True
        if first and self._process is not None:
            self._end()

    def _end(self) -> None:
        self._send(signal.SIGTERM)
        signal.setitimer(signal.ITIMER_REAL, self._grace_seconds)

    def _send(self, number: int) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):  # macOS says PermissionError of a group of zombies
                os.killpg(self._process.pid, number)


class Wrapper:
    """One run of an attempt, from the environment to the exit code."""

    def __init__(self, directory: Path, plan: dict[str, Any], group: ProcessGroup, hub_token: str = "") -> None:
        self._directory = directory
        self._plan = plan
        self._group = group
        self._hub_token = hub_token
        self._told = 0
        self._exceeded: Exceeded | None = None

    def run(self, log: IO[bytes]) -> dict[str, Any]:
        """What exit.json shall say: `stage`, `code` or `signal`, and which limit was `exceeded`."""
        for stage, step in (("environment", self._prepare), (DOWNLOAD_STAGE, self._download), ("trainer", self._train)):
            if self._is_unwanted():
                return {"stage": "queue", "code": None, "signal": None}
            try:
                code = step(log)
            except OSError as error:
                _say(log, f"The {stage} could not be started: {error.strerror}: {error.filename}")
                return {"stage": "environment", "code": 127, "signal": None}
            if code != 0 or stage == "trainer":
                how = {"code": None if code < 0 else code, "signal": -code if code < 0 else None}
                return {"stage": stage, **how, "exceeded": asdict(self._exceeded) if self._exceeded else None}
        raise AssertionError("the last stage returns")

    def _is_unwanted(self) -> bool:
        """Whether the end was asked for; a request that no signal brought, or too early, left its mark as a file."""
        marks = (files.CANCELLED, files.HOST_STOPPED)
        return self._group.asked or any((self._directory / mark).exists() for mark in marks)

    def _prepare(self, log: IO[bytes]) -> int:
        if self._plan["note"]:
            self._tell(self._plan["note"])
        self._tell("Preparing the trainer environment")
        return self._run_aloud(self._plan["prepare"], log)

    def _download(self, log: IO[bytes]) -> int:
        """Have the base model brought here, where it comes from a hub and is not here yet."""
        command, (token, self._hub_token) = self._plan.get("download"), (self._hub_token, "")
        return self._run_aloud(command, log, token) if command else 0

    def _run_aloud(self, command: list[str], log: IO[bytes], told: str = "") -> int:
        """Run what says how far it is, each line of which goes to log and progress; its code. It reads what is told."""
        process = self._group.start(
            command,
            dict(os.environ),
            self._plan["cwd"],
            stdin=subprocess.PIPE if told else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            umask=OPEN_UMASK,
        )
        assert process.stdout
        if process.stdin:
            with suppress(BrokenPipeError), process.stdin:  # what ended without a look at it said why
                process.stdin.write(told)
        said = LineReader(process.stdout.fileno())

        def meanwhile() -> None:
            self._pass_on(said.wait(TICK_SECONDS), log)
            if self._is_unwanted():
                self._group.ask()

        code = self._group.wait(process, meanwhile)
        self._pass_on(said.finish(), log)
        return code

    def _pass_on(self, lines: list[str], log: IO[bytes]) -> None:
        for line in lines:
            _say(log, line)
            self._tell(line)

    def _train(self, log: IO[bytes]) -> int:
        self._tell("Starting the trainer")
        kept = {name: value for name, value in os.environ.items() if name not in self._plan["prepare_only"]}
        token = (self._directory / files.TOKEN).read_text()
        environment = kept | {TOKEN_VARIABLE: token, "PYTHONPATH": self._plan["cwd"]} | self._plan["trainer_variables"]
        user = _as_user(self._plan["user"])
        reach.let_through(map(Path, self._plan["reached"]))
        process, pipe = self._start_trainer(environment, user)
        with suppress(OSError):  # it runs, noted or not
            files.write_json(self._directory / files.TRAINER, {"pid": process.pid, "started_at": files.now()})
        keeper = limits.LogKeeper(pipe, log, self._plan["limits"]["log_bytes"])
        folders = [Path(folder) for folder in self._plan["folders"]]
        watch = limits.LimitWatch(self._plan["limits"], folders, process.pid, user.get("user"))

        def meanwhile() -> None:
            keeper.wait(TICK_SECONDS)
            if self._is_unwanted():
                self._group.ask()
            if self._exceeded is None and (found := watch.look()):
                self._exceeded = found
                self._group.end(at_once=found.what == "memory")

        code = self._group.wait(process, meanwhile)
        if user:
            # What left the group cannot leave its user. The shell itself is spared.
            subprocess.run(["/bin/sh", "-c", "kill -KILL -1"], check=False, stderr=subprocess.DEVNULL, **user)
        keeper.finish()
        return code

    def _start_trainer(self, environment: dict[str, str], user: dict[str, Any]) -> tuple[subprocess.Popen[str], int]:
        """The trainer, and where its output can be read."""
        read, write = os.pipe()
        limits.offer_first()
        try:
            process = self._group.start(
                self._plan["trainer"],
                environment,
                self._plan["cwd"],
                confine=lambda: limits.confine(self._plan["limits"], own_user=bool(user)),
                stdout=write,
                stderr=write,
                **user,
            )
        finally:
            os.close(write)
            limits.offer_first(0)
        return process, read

    def _tell(self, message: str) -> None:
        self._told += files.tell_progress(self._directory, self._told + 1, message)


def main(directory: Path, hub_token: str = "") -> int:
    """Run the attempt in the directory, unless it has or had a wrapper already. The exit code is always 0."""
    plan = files.read_json(directory / files.PLAN)
    if plan is None or _had_wrapper(directory):
        return 0
    group = ProcessGroup(plan["grace_seconds"])
    with files.locked(directory / files.LOCK, LOCK_SECONDS) as lock:
        if lock is None or _had_wrapper(directory):
            return 0
        files.write_json(directory / files.WRAPPER, {"pid": os.getpid(), "started_at": files.now()})
        with (directory / files.LOG).open("ab", buffering=0) as log:
            ended = Wrapper(directory, plan, group, hub_token).run(log)
        shutil.rmtree(directory / files.HOME, ignore_errors=True)
        _write_ending(directory / files.EXIT, ended | {"asked": group.asked, "finished_at": files.now()})
    return 0


def _write_ending(path: Path, ended: dict[str, Any]) -> None:
    """Write how it ended, however long the disk refuses: nobody else knows it, and who finds no word says "killed"."""
    while True:
        try:
            return files.write_json(path, ended)
        except OSError:
            time.sleep(RETRY_SECONDS)


def _say(log: IO[bytes], line: str) -> None:
    """A line of the log, where the disk takes it: what runs does not end for want of words."""
    with suppress(OSError):
        log.write(f"{line}\n".encode())


def _had_wrapper(directory: Path) -> bool:
    return (directory / files.WRAPPER).exists() or (directory / files.EXIT).exists()


def _is_running(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None


def _as_user(user: dict[str, int] | None) -> dict[str, Any]:
    """How to start a process under the user of the plan."""
    if user is None:
        return {}
    uid, account_group, umask = user["uid"], user["account_group"], user["umask"]
    return {"user": uid, "group": uid, "extra_groups": [account_group], "umask": umask}


def _die_with(parent: int) -> None:
    """In the child: be killed when the wrapper dies. Elsewhere than on Linux the provider ends orphans."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before we said so
            os._exit(1)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.stdin.read()))
