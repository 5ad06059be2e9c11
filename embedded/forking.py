"""Children that are forked off this process, which has loaded what they run: they start at once and share its memory.

A child does what `python -m MODULE ARGUMENTS` would, with a log, an environment, a session and a death signal of its
own, as `spawn` gives them. Only where this process has one thread: what another one held would be held for ever.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from embedded.processes import before_exec, name_process

POLL_SECONDS = 0.01
HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def load(module: str, env: Mapping[str, str]) -> bool:
    """Call the module's `load_all` under that environment; whether children can be forked off from now on.

    Where it cannot be loaded nothing is said: a child that is started by itself meets the same, and says it in its log.
    """
    if sys.platform != "linux":
        return False
    os.environ.update(env)
    try:
        importlib.import_module(module).load_all()
    except Exception:  # whatever the application's modules raise
        return False
    gc.collect()
    gc.freeze()
    return len(list(Path("/proc/self/task").iterdir())) == 1


class Forked:
    """A forked child, as `subprocess.Popen` shows one that was spawned."""

    def __init__(self, run: Callable[[], None], stdin: IO[bytes] | None, stdout: IO[bytes] | None) -> None:
        self._process = multiprocessing.get_context("fork").Process(target=run)
        self._process.start()
        self.stdin, self.stdout = stdin, stdout

    @property
    def pid(self) -> int:
        return self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        """Its exit status once it has ended."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status. Errors: `subprocess.TimeoutExpired`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(self._process.name, timeout or 0.0)
            time.sleep(POLL_SECONDS)
        return code

    def send_signal(self, number: int) -> None:
        """Unless it has ended: its number may be another's by now."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def fork(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    log: Path,
    death_signal: int = signal.SIGKILL,
    stdin: int = subprocess.DEVNULL,
    stdout: int | None = None,
) -> Forked:
    """Start `[python, "-m", module, *arguments]`; of `stdin` and `stdout` either may be `subprocess.PIPE`.

    Raises:
        OSError: it could not be started.
    """
    prepare = before_exec(None, death_signal)
    to_child = os.pipe() if stdin == subprocess.PIPE else None
    from_child = os.pipe() if stdout == subprocess.PIPE else None
    with log.open("ab") as output, Path(os.devnull).open("rb") as nothing:
        files = (
            to_child[0] if to_child else nothing.fileno(),
            from_child[1] if from_child else output.fileno(),
            output.fileno(),
        )
        ours = [end for end in (to_child and to_child[1], from_child and from_child[0]) if end]

        def run() -> None:
            os.setsid()
            for number in HANDLED:
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            prepare()
            for end in ours:
                os.close(end)
            _become(argv, env, cwd, files)

        # Until the child has its own way with signals, none may make it do what ours is for.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        try:
            return Forked(
                run,
                os.fdopen(to_child[1], "wb") if to_child else None,
                os.fdopen(from_child[0], "rb") if from_child else None,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            for end in (to_child and to_child[0], from_child and from_child[1]):
                if end:
                    os.close(end)


def _become(argv: Sequence[str], env: Mapping[str, str], cwd: Path, files: tuple[int, int, int]) -> None:
    """Run the module with these as standard input, output and errors."""
    for standard, file in enumerate(files):
        os.dup2(file, standard)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 -- the descriptor, for as long as the process lives
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    _, _, module, *arguments = argv
    name_process(module)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
