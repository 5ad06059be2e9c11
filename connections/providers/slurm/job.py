"""What runs inside the job, on its first node: `python -m connections.providers.slurm.job ATTEMPT_DIRECTORY`.

It claims the attempt, so that of two jobs of one name one runs; prepares the trainer's environment where that is asked
for; runs the trainer, and writes how that ended. SIGUSR1, which Slurm sends before the time limit, and SIGTERM are
handed on to the trainer. Standard library only, of Python 3.11.

A controller that was killed just after it started a job may start the same job again, of which the first run goes on:
then this one waits for that one's end, and passes on by a file what it is asked.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from connections.providers.trainer_files import files

RETRY_SECONDS = 1.0
TICK_SECONDS = 0.1
LOOK_SECONDS = 1.0
TOKEN_VARIABLE = "SLIPWAY_TRAINER_TOKEN"  # noqa: S105
OWNER = "owner.d"
TIME_LIMIT, REQUEUED = "time-limit", "requeued"
WRAPPER_STAGE = "wrapper"
LOST_CODE = 1
MOST_DIGITS = 20


class Runner:
    """The one process that runs at a time, and who asked for the end."""

    def __init__(self, directory: Path, plan: dict[str, Any]) -> None:
        self._directory = directory
        self._plan = plan
        self._process: subprocess.Popen[str] | None = None
        self._told = 0
        self._end_by = signal.SIGTERM
        self.asked = False
        self.cause = ""
        signal.signal(signal.SIGTERM, self._ask)
        signal.signal(signal.SIGUSR1, self._warn)
        signal.signal(signal.SIGALRM, lambda *_: self._send(signal.SIGKILL))

    def run(self) -> dict[str, Any]:
        """What exit.json shall say: `stage`, and `code` or `signal`."""
        for stage, step in (("environment", self._prepare), ("trainer", self._train)):
            if self.asked or self._is_unwanted():
                return {"stage": "queue", "code": None, "signal": None}
            try:
                code = step()
            except OSError as error:
                _say(f"The {stage} could not be started: {error.strerror}: {error.filename}")
                return {"stage": "environment", "code": 127, "signal": None}
            if code != 0 or stage == "trainer":
                return {"stage": stage, "code": None if code < 0 else code, "signal": -code if code < 0 else None}
        raise AssertionError("the last stage returns")

    def _is_unwanted(self) -> bool:
        return any((self._directory / mark).exists() for mark in (files.CANCELLED, files.HOST_STOPPED))

    def _prepare(self) -> int:
        if not self._plan["prepare"]:
            return 0
        self._tell("Preparing the trainer environment")
        process = self._start(self._plan["prepare"], dict(os.environ), stdout=subprocess.PIPE)
        for line in process.stdout or ():
            if text := line.strip():
                _say(text)
                self._tell(text)
        return self._wait(process)

    def _train(self) -> int:
        self._tell(f"Starting the trainer on {_node()}")
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        if not self._plan["by_srun"]:
            environment |= {TOKEN_VARIABLE: files.read_word(self._directory / files.TOKEN)}
        if self._plan["by_srun"]:
            self._end_by = signal.SIGUSR2  # which what it starts on each node takes for SIGTERM (script.py)
        process = self._start(self._plan["trainer"], dict(environment))
        with suppress(OSError):  # it runs, noted or not
            files.write_json(self._directory / files.TRAINER, {"pid": process.pid, "started_at": files.now()})
        return self._wait(process)

    def _start(self, command: list[str], environment: dict[str, str], **streams: Any) -> subprocess.Popen[str]:
        """Start the command as leader of a process group of its own. Errors: `OSError`."""
        self._process = subprocess.Popen(
            command,
            cwd=self._plan["cwd"],
            env=environment,
            stdin=subprocess.DEVNULL,
            process_group=0,
            text=True,
            errors="replace",
            **streams,
        )
        if self.asked:  # between the last look and now
            self._end()
        return self._process

    def _wait(self, process: subprocess.Popen[str]) -> int:
        """The leader's code (negative: a signal), after what it left behind in its group was ended."""
        looked_at = time.monotonic()
        # Unreaped, so the number is still the group's.
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            time.sleep(TICK_SECONDS)
            if not self.asked and time.monotonic() - looked_at > LOOK_SECONDS:
                looked_at = time.monotonic()
                if self._is_unwanted():
                    self._ask(signal.SIGTERM, None)
        self._send(signal.SIGKILL)
        code = process.wait()
        self._process = None
        signal.setitimer(signal.ITIMER_REAL, 0)
        return code

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        first, self.asked = not self.asked, True
        if first:
            self._end()

    def _warn(self, number: int, frame: FrameType | None) -> None:
        self.cause = self.cause or ("" if self.asked else TIME_LIMIT)
        self._ask(number, frame)

    def _end(self) -> None:
        self._send(self._end_by)
        signal.setitimer(signal.ITIMER_REAL, self._plan["grace_seconds"])

    def _send(self, number: int) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _tell(self, message: str) -> None:
        self._told += files.tell_progress(self._directory, self._told + 1, message)


def main(directory: Path) -> int:
    """Run the attempt in the directory, unless another job has it, or ran it. The exit code is the trainer's."""
    job_id = os.environ.get("SLURM_JOB_ID", "")
    plan = files.read_json(directory / files.PLAN)
    if plan is None or not claim(directory, job_id):
        _say(f"Job {job_id} is not the one that runs {directory}.")
        return LOST_CODE
    while True:
        with files.locked(directory / files.LOCK, 0) as lock:
            if lock is not None:
                return _run(directory, plan, job_id)
        _pass_on(directory)
        time.sleep(LOOK_SECONDS)


def _run(directory: Path, plan: dict[str, Any], job_id: str) -> int:
    """The only run of the job that is alive: its exit code."""
    if (directory / files.EXIT).exists():
        return 0
    if (directory / files.WRAPPER).exists():
        _write_ending(directory / files.EXIT, _facts({"stage": WRAPPER_STAGE, "code": None, "signal": None}, REQUEUED))
        return 0
    runner = Runner(directory, plan)
    files.write_json(directory / files.WRAPPER, {"job": job_id, "node": _node(), "started_at": files.now()})
    ended = runner.run()
    _write_ending(directory / files.EXIT, _facts(ended, runner.cause) | {"asked": runner.asked})
    code = ended["code"]
    return int(code) if code is not None else 128 + int(ended["signal"] or signal.SIGTERM)


def _pass_on(directory: Path) -> None:
    """While another run of the job is alive, tell it by a file what this one is asked."""
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda *_: files.mark(directory / files.HOST_STOPPED))


def claim(directory: Path, job_id: str) -> bool:
    """Whether the attempt is this job's: the first that asks has it for ever. Errors: `OSError`."""
    part = directory / f".owner-{job_id}"
    part.mkdir(mode=0o700, exist_ok=True)
    (part / job_id).touch()
    with suppress(OSError):  # a folder with something in it is not replaced
        part.rename(directory / OWNER)
    return owner_of(directory) == job_id


def owner_of(directory: Path) -> str:
    """Slurm's id of the job that runs the attempt, "" while none has claimed it."""
    with suppress(OSError):
        return next((path.name for path in (directory / OWNER).iterdir() if is_number(path.name)), "")
    return ""


def is_number(text: str) -> bool:
    """Whether a job of Slurm can have that number: a trainer may write others."""
    return text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS


def _facts(ended: dict[str, Any], cause: str) -> dict[str, Any]:
    return ended | {"asked": False, "cause": cause, "finished_at": files.now()}


def _write_ending(path: Path, ended: dict[str, Any]) -> None:
    """Write how it ended, however long the disk refuses: nobody else knows it."""
    while True:
        try:
            return files.write_json(path, ended)
        except OSError:
            time.sleep(RETRY_SECONDS)


def _say(line: str) -> None:
    """A line of the log, where the disk takes it."""
    with suppress(OSError):
        print(line, flush=True)  # noqa: T201  (standard output is the job's log)


def _node() -> str:
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
