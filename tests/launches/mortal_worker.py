"""A worker whose processes die: does a verb to a row in a process of its own, which SIGKILLs itself at its nth step.

    python -m tests.launches.mortal_worker

reads {"verb", "row", "step"} line by line, and answers each by whether that process died. A step is whatever leaves a
trace: a statement or a commit on the database (before it, and after a commit), a change to the file system (before it),
a program that is started. No code of Slipway knows of it: Python tells (`sys.addaudithook`), and Django.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import django

CHANGES = frozenset(
    f"os.{name}" for name in ("chmod", "chown", "link", "mkdir", "remove", "rename", "rmdir", "symlink", "truncate")
) | {"subprocess.Popen"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Steps:
    """Counts them, and dies at the one that was asked for."""

    def __init__(self, last: int) -> None:
        self._left = last

    def take(self) -> None:
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """What Python tells of before it does it."""
        written = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES
        if event in CHANGES or (written and arguments[0] != os.devnull):
            self.take()


def main() -> None:
    django.setup()
    from django.db import connection

    verbs = _verbs()

    def do(verb: str, row: int, steps: Steps) -> None:
        def execute(run: Callable[..., Any], *statement: Any) -> Any:
            steps.take()
            return run(*statement)

        def commit() -> None:
            steps.take()
            connection.connection.commit()
            steps.take()

        connection.ensure_connection()
        database: Any = connection
        database._commit = commit
        sys.addaudithook(steps.hear)
        with connection.execute_wrapper(execute):
            verbs[verb](row)

    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if not child:
            do(asked["verb"], asked["row"], Steps(asked["step"]))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        sys.stdout.write(f"{json.dumps('killed' if killed else os.waitstatus_to_exitcode(status))}\n")
        sys.stdout.flush()


def _verbs() -> dict[str, Callable[[int], object]]:
    from accounts.actors import SYSTEM
    from catalog.domain.advance_promotion import advance_promotion
    from catalog.models import TrainedModel
    from launches.domain.delete_model import delete_model
    from launches.domain.purge_launch import purge_launch

    return {
        "promote": advance_promotion,
        "purge": purge_launch,
        "delete model": lambda row: delete_model(actor=SYSTEM, model=TrainedModel.objects.get(pk=row)),
    }


if __name__ == "__main__":
    main()
