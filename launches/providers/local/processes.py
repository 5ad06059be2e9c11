"""Finding and signalling the processes of an attempt.

Every process of an attempt carries the attempt's directory in its environment, and its children inherit that. So a
process is recognised by what it is, not by a number that another process may have got in the meantime.
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

from launches.providers.local import files

MARK = "SLIPWAY_ATTEMPT"
END_SECONDS = 3.0
_CODE = Path(__file__).resolve().parents[3]


def start_wrapper(directory: Path, environment: dict[str, str]) -> int:
    """Start the wrapper of an attempt, detached from this process; returns its pid. Errors: `OSError`."""
    with (directory / files.LOG).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "launches.providers.local.wrapper", str(directory)],
            cwd=_CODE,
            env=environment | {MARK: str(directory)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    # Somebody must take note of its end, else it stays in the process table for as long as this process lives.
    threading.Thread(target=process.wait, name=f"reap-{process.pid}", daemon=True).start()
    return process.pid


def belongs(pid: int, directory: Path) -> bool:
    """Whether a process with that pid is alive and one of the attempt's."""
    try:
        return _is_marked(psutil.Process(pid), directory)
    except psutil.Error:
        return False


def ask_wrapper(directory: Path) -> None:
    """Send SIGTERM to the attempt's wrapper, if it is alive."""
    wrapper = files.read_json(directory / files.WRAPPER)
    try:
        process = psutil.Process(wrapper["pid"]) if wrapper else None
        if process and _is_marked(process, directory):
            process.send_signal(signal.SIGTERM)  # psutil looks at the start time once more
    except psutil.Error:
        return


def end_all(directory: Path) -> None:
    """SIGKILL every process of the attempt, its wrapper too, and wait until they are gone (3 s at most)."""
    deadline = time.monotonic() + END_SECONDS
    while found := [process for process in psutil.process_iter() if _is_marked(process, directory)]:
        for process in found:
            with suppress(psutil.Error):
                process.kill()
        while any(_is_alive(process) for process in found):
            if time.monotonic() > deadline:
                return
            time.sleep(0.01)


def boot_identity() -> str:
    """Another text after this machine, or the container that we run in, was started again; "" where nobody can say."""
    try:
        start = Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19]
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {start}"
    except (OSError, IndexError):
        return ""


def _is_marked(process: psutil.Process, directory: Path) -> bool:
    try:
        return process.pid != os.getpid() and process.environ().get(MARK) == str(directory) and _is_alive(process)
    except (psutil.Error, OSError):
        return False


def _is_alive(process: psutil.Process) -> bool:
    """A process that only waits to be reaped is not: whose child it was may never do that."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
