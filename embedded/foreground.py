"""Running one command in the foreground, on the terminal of whoever called ./run."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from embedded.processes import before_exec


def run_in_foreground(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path | None = None) -> int:
    """Run it with our terminal and streams; returns its exit code, 128 + n where signal n ended it.

    It shares our process group, so Ctrl-C reaches it directly; a SIGTERM or SIGHUP to us is passed on.
    """
    process: subprocess.Popen[bytes] | None = None

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if process:
            with suppress(ProcessLookupError):
                process.send_signal(number)

    handlers = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGHUP)}
    handlers[signal.SIGINT] = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        prepare = before_exec(None, signal.SIGTERM)
        process = subprocess.Popen(argv, env=dict(env), cwd=cwd, preexec_fn=prepare)  # noqa: PLW1509 - one thread
        code = process.wait()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code
