"""`manage push NAME DESTINATION`: bring a model or a checkpoint to a directory or a bucket that a superuser set."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.actors import SYSTEM
from connections.providers.checkpoints import CheckpointKind
from launches.queries import find_weights
from pushes.domain.start_push import start_push
from pushes.models import Push
from pushes.states import PushState
from wire.errors import InvalidArgument, Refusal
from wire.names import CHECKPOINT_FORM, MODEL_FORM

LOOK_SECONDS = 0.5


class Command(BaseCommand):
    """Exit code 0: it is there, or, with --no-wait, asked for; 1: it is not, and why."""

    help = "Push a model or a checkpoint. A worker brings the files; the same again goes on from what is there."

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the arguments."""
        parser.add_argument("name", help=f"{CHECKPOINT_FORM} or {MODEL_FORM}")
        parser.add_argument("destination", help="its name, as `manage destination` or the page set it")
        parser.add_argument("--kind", choices=list(CheckpointKind), help="where two checkpoints have one name")
        parser.add_argument("--no-wait", action="store_true", help="do not wait until it is there")

    def handle(self, *args: Any, name: str, destination: str, kind: str | None, **options: Any) -> None:
        """Ask for it, then follow it until it is over."""
        try:
            push = start_push(actor=SYSTEM, source=find_weights(name, kind), destination=destination)
        except InvalidArgument as refusal:
            raise CommandError("\n".join(each.description for each in refusal.violations)) from None
        except Refusal as refusal:
            raise CommandError(refusal.message) from None
        if not options["no_wait"]:
            push = self._followed(push)
        if push.state == PushState.FAILED:
            raise CommandError(push.detail)
        done = "lies" if push.state == PushState.DONE else "is being brought"
        self.stdout.write(f"{name} {done} at {push.destination_name}, in {push.place}: {push.size_bytes:,} bytes.")

    def _followed(self, push: Push) -> Push:
        told = ""
        while push.state == PushState.PUSHING:
            if push.detail and push.detail != told:
                self.stderr.write(push.detail)
            told = push.detail
            time.sleep(LOOK_SECONDS)
            found = Push.objects.filter(pk=push.pk).first()
            if found is None:
                raise CommandError("What was being pushed was deleted meanwhile.")
            push = found
        return push
