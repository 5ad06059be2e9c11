"""Starting and ending processes so that none outlives its supervisor.

Every child leads a session of its own, so that Ctrl-C reaches the supervisor alone and the order of the stop is ours,
and asks the kernel (Linux) for a signal when the supervisor dies.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import psutil

from embedded.home import Child

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
CLONE_NEWUSER = 0x10000000
UNPRIVILEGED_ID = 65534
NAMESPACE_ID = 1000

_libc = ctypes.CDLL(None, use_errno=True)


class ChildProcess(Protocol):
    """A child, spawned (`subprocess.Popen`) or forked (`embedded.forking`)."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    @property
    def stdin(self) -> IO[bytes] | None: ...

    @property
    def stdout(self) -> IO[bytes] | None: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, number: int, /) -> None: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


@dataclass(frozen=True)
class ServerUser:
    """Under which user a server runs: another user id, or our own seen as unprivileged in a user namespace."""

    uid: int
    gid: int
    namespace: bool = False


def _enter_namespace(uid: int, gid: int) -> None:
    if _libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{NAMESPACE_ID} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{NAMESPACE_ID} {gid} 1")


def before_exec(account: ServerUser | None, death_signal: int) -> Callable[[], None]:
    """What a child does just before it becomes its program: change of user, and a wish to die with us."""
    supervisor = os.getpid()

    def prepare() -> None:
        if account and account.namespace:
            _enter_namespace(account.uid, account.gid)
        if sys.platform == "linux":
            # After the change of user, which clears it; and the supervisor may have died before this line.
            _libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
            if os.getppid() != supervisor:
                os._exit(1)

    return prepare


def spawn(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path,
    log: Path,
    account: ServerUser | None = None,
    death_signal: int = signal.SIGKILL,
    stdin: int = subprocess.DEVNULL,
    stdout: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a supervised process whose output (its errors alone where `stdout` is given) is appended to a log.

    Raises:
        OSError: it could not be started.
    """
    change = account if account and not account.namespace else None
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(argument) for argument in argv],
            env=dict(env),
            cwd=cwd,
            stdin=stdin,
            stdout=output if stdout is None else stdout,
            stderr=output,
            start_new_session=True,
            user=change.uid if change else None,
            group=change.gid if change else None,
            extra_groups=[] if change else None,
            preexec_fn=before_exec(account, death_signal),  # noqa: PLW1509 - this program has one thread
        )


def name_process(name: str) -> None:
    """What `ps -o comm` and `top` call this process (15 characters of it); its command line stays its parent's."""
    if sys.platform == "linux":
        _libc.prctl(PR_SET_NAME, name.encode(), 0, 0, 0)


def namespace_available(account: ServerUser) -> bool:
    """Whether this machine lets us run a process in a user namespace of its own."""
    try:
        result = subprocess.run(["true"], preexec_fn=lambda: _enter_namespace(account.uid, account.gid), check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return result.returncode == 0


def recorded(process: ChildProcess) -> Child:
    """How to recognise a child later. A child that is already gone is recorded with time 0 and matches nothing."""
    try:
        return Child(process.pid, psutil.Process(process.pid).create_time())
    except psutil.Error:
        return Child(process.pid, 0.0)


def session_members(child: Child) -> list[psutil.Process]:
    """What still runs in the session that this child led, itself included; nothing if its number is another's now."""
    with contextlib.suppress(psutil.Error):
        if abs(psutil.Process(child.pid).create_time() - child.started_at) > 1:
            return []
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            if os.getsid(process.pid) == child.pid and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
    return members


def working_in(folder: Path) -> list[psutil.Process]:
    """Processes whose working directory is this folder, as every Postgres process has its data folder."""
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.cwd() == str(folder):
                members.append(process)
    return members


def marked(name: str, value: str) -> list[psutil.Process]:
    """Processes that carry this variable in their environment, whatever session they moved to."""
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(name) == value:
                members.append(process)
    return members


def kill(processes: Iterable[psutil.Process]) -> None:
    """SIGKILL them and wait until they are gone (2 s at most)."""
    targets = list(processes)
    for process in targets:
        with contextlib.suppress(psutil.Error):
            process.kill()
    wait_gone(targets, 2)


def wait_gone(processes: Iterable[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait for processes that need not be our children; returns those that still run when the time is over.

    A zombie is gone: whether and when its parent asks for its exit code is not our affair.
    """
    deadline = time.monotonic() + seconds
    running = [process for process in processes if _runs(process)]
    while running and time.monotonic() < deadline:
        time.sleep(0.02)
        running = [process for process in running if _runs(process)]
    return running


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def kill_group(pid: int) -> None:
    """SIGKILL what is left of the group that this child led."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def wait(process: ChildProcess, deadline: float) -> bool:
    """Whether it ended before the deadline (time.monotonic)."""
    try:
        process.wait(timeout=max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True
