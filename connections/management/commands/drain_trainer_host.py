"""`manage drain_trainer_host`: nothing is started on this machine any more, and what runs ends, by itself or soon."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connections.kinds import local_root
from connections.providers.errors import Retryable
from connections.providers.local.asking import HostClient, HostState
from wire.counts import quantity

LOOK_SECONDS = 0.5
GRACE_SECONDS = 30.0


class Command(BaseCommand):
    """Says each change with the time since the beginning. Interrupted, the drain goes on; `--undo` ends it."""

    help = (
        "Start nothing on this machine any more, and wait until nothing runs. Launches that are accepted wait, also "
        "over a restart, until --undo."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How long is waited, and the way back."""
        parser.add_argument(
            "--within",
            type=float,
            metavar="SECONDS",
            help="end what runs still after so long, with the reason HOST_STOPPED; without it, wait for its end",
        )
        parser.add_argument("--undo", action="store_true", help="start again what waits")

    def handle(self, *args: Any, within: float | None = None, undo: bool = False, **options: Any) -> None:
        """Errors: `CommandError` where nobody answers."""
        host = HostClient(local_root())
        try:
            state = host.drain(on=not undo)
            if undo:
                self.stdout.write("trainer-host starts again what waits.")
                return
            self._wait(host, state, within)
        except (Retryable, OSError) as error:
            raise CommandError(str(error)) from None

    def _wait(self, host: HostClient, state: HostState, within: float | None) -> None:
        began, said = time.monotonic(), ""
        while any(state.running.values()):
            running = ", ".join(
                quantity(count, what.removesuffix("s")) for what, count in state.running.items() if count
            )
            passed = time.monotonic() - began
            if running != said:
                self.stdout.write(
                    f"{passed:6.1f} s  {running} still {'runs' if sum(state.running.values()) == 1 else 'run'}"
                )
                said = running
            if within is not None and passed >= within:
                host.stop(GRACE_SECONDS)
                after = time.monotonic() - began
                self.stdout.write(f"{after:6.1f} s  ended {running}")
                within = None
            time.sleep(LOOK_SECONDS)
            state = host.state()
        passed = time.monotonic() - began
        self.stdout.write(f"{passed:6.1f} s  drained: nothing runs or is started, until drain_trainer_host --undo")
