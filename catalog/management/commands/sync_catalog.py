"""`manage sync_catalog NAME [--plan | --apply FINGERPRINT]`: let the catalog follow what a connection offers."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.actors import SYSTEM
from catalog.domain.sync_catalog import sync_catalog
from catalog.models import SyncRun
from catalog.states import SyncOutcome
from catalog.sync.told import told_run
from connections.queries import find_connection
from wire.errors import Refusal


class Command(BaseCommand):
    """Exit code 0: it is as it is offered now, or was only planned; 1: nothing was changed, and why."""

    help = "Bring the catalog to what a connection offers: as new versions, all or nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the arguments."""
        parser.add_argument("name", help="the connection")
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--plan", action="store_true", help="say what it would do, and change nothing")
        how.add_argument("--apply", metavar="FINGERPRINT", help="do exactly the plan of that fingerprint")

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        """Everything that differs, then every line that was left out."""
        connection = find_connection(name)
        if connection is None:
            raise CommandError(f"There is no connection {name!r}.")
        try:
            run = sync_catalog(
                actor=SYSTEM, connection=connection, expected=options["apply"], plan_only=options["plan"]
            )
        except Refusal as refusal:
            raise CommandError(refusal.message) from None
        self._say(run, name)

    def _say(self, run: SyncRun, name: str) -> None:
        if run.outcome == SyncOutcome.FAILED:
            raise CommandError(f"Nothing was changed. {run.detail}")
        for line in told_run(run.outcome, run.counts, run.differences, run.refused):
            self.stdout.write(line)
        if run.outcome == SyncOutcome.PLANNED:
            self.stdout.write("\n".join(filter(None, ("", run.detail))))
            self.stdout.write(f"To do exactly this: sync_catalog {name} --apply {run.fingerprint}")
