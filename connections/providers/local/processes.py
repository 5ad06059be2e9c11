"""Finding and signalling the processes of an attempt.

Every process of an attempt carries the attempt's directory in its environment, and its children inherit that, unless
one does not want to be found; where the job has a user of its own, that tells, too. So a process is recognised by what
it is, not by a number that another process may have got in the meantime. Only while it is being started the kernel
shows no environment; then its start time tells.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil

from connections.providers.trainer_files import files

MARK = "SLIPWAY_ATTEMPT"
END_SECONDS = 3.0
_first = 1
_CODE = Path(__file__).resolve().parents[3]


def start_wrapper(directory: Path, environment: dict[str, str], told: str = "") -> int:
    """Start the wrapper of an attempt, detached from this process; returns its pid. Errors: `OSError`.

    `told` is what it reads on its standard input.
    """
    process = _start(directory, environment, told)
    # Somebody must take note of its end, else it stays in the process table for as long as this process lives.
    threading.Thread(target=process.wait, name=f"reap-{process.pid}", daemon=True).start()
    return process.pid


def run_wrapper(directory: Path, environment: dict[str, str], seconds: float) -> bool:
    """The same, and wait for its end; False where it took longer, and was ended. Errors: `OSError`."""
    try:
        _start(directory, environment).wait(seconds)
    except subprocess.TimeoutExpired:
        end_all(directory)
        return False
    return True


def _start(directory: Path, environment: dict[str, str], told: str = "") -> subprocess.Popen[bytes]:
    with (directory / files.LOG).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "connections.providers.local.wrapper", str(directory)],
            cwd=_CODE,
            env=environment | {MARK: str(directory)},
            stdin=subprocess.PIPE if told else subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    if process.stdin:
        with suppress(BrokenPipeError), process.stdin:
            process.stdin.write(told.encode())
    return process


def ask_wrapper(directory: Path) -> None:
    """Send SIGTERM to the attempt's wrapper, if it is alive."""
    wrapper = files.read_json(directory / files.WRAPPER)
    try:
        process = psutil.Process(int(wrapper["pid"])) if wrapper else None
        if process and _is_marked(process, directory):
            process.send_signal(signal.SIGTERM)  # psutil looks at the start time once more
    except psutil.Error:
        return


def end_all(directory: Path) -> None:
    """SIGKILL every process of the attempt, its wrapper too, and wait until they are gone (3 s at most)."""
    deadline = time.monotonic() + END_SECONDS
    user = (files.read_json(directory / files.PLAN) or {}).get("user")

    def belongs(process: psutil.Process) -> bool:
        return _is_marked(process, directory) or (user is not None and _runs_as(process, user["uid"]))

    while found := [process for process in psutil.process_iter() if belongs(process)]:
        for process in found:
            with suppress(psutil.Error):
                process.kill()
        while any(_is_alive(process) for process in found):
            if time.monotonic() > deadline:
                return
            time.sleep(0.01)


def identity(pid: int) -> str:
    """What tells the process from any other that gets the same pid later; "" where none is alive under it."""
    try:
        process = psutil.Process(pid)
        if not _is_alive(process):
            return ""
        # Not psutil's time of creation: that moves when somebody sets the clock.
        return _start_tick(pid) if sys.platform == "linux" else str(process.create_time())
    except (psutil.Error, OSError):
        return ""


def be_first(pid: int) -> None:
    """Take this process for the one whose end is its container's, where that is not the one with number 1.

    Containers of a Kubernetes pod may share that: it goes on when one of them is started anew.
    """
    global _first
    _first = pid


def boot_identity() -> str:
    """Another text after this machine, or the container that we run in, was started again; "" where nobody can say."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {_start_tick(_first)}"
    except OSError:
        return ""


def _start_tick(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def _is_marked(process: psutil.Process, directory: Path) -> bool:
    try:
        return process.pid != os.getpid() and process.environ().get(MARK) == str(directory) and _is_alive(process)
    except (psutil.Error, OSError):
        return False


def _runs_as(process: psutil.Process, uid: int) -> bool:
    """Whether it has the job's user and not the mark of another folder, of which ours may be a copy."""
    try:
        return process.uids().real == uid and not process.environ().get(MARK) and _is_alive(process)
    except (psutil.Error, OSError):
        return False


def _is_alive(process: psutil.Process) -> bool:
    """A process that only waits to be reaped is not: whose child it was may never do that."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
