"""`manage promote CHECKPOINT [--id ID] [--name NAME] [--merged]`: make a model of what a launch saved for sampling."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.actors import SYSTEM
from catalog.models import TrainedModel
from catalog.states import ModelState
from launches.domain.promote_checkpoint import promote_checkpoint
from launches.models import Launch
from wire.errors import InvalidArgument, Refusal
from wire.names import refuse_name

FORM = "accounts/ACCOUNT/rlorTrainerJobs/JOB/checkpoints/CHECKPOINT"
LOOK_SECONDS = 0.5


class Command(BaseCommand):
    """Exit code 0: the model is ready, or, with --no-wait, asked for; 1: it is not, and why."""

    help = "Promote a checkpoint to a model of its account. A worker copies the files; the same again changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the arguments."""
        parser.add_argument("checkpoint", help=f"its resource name, {FORM}")
        parser.add_argument("--id", default="", help="the model's id; made of the name, or of job and checkpoint")
        parser.add_argument("--name", default="", help="what people read")
        parser.add_argument("--merged", action="store_true", help="fold an adapter into its base: a full model")
        parser.add_argument("--no-wait", action="store_true", help="do not wait until it is ready")

    def handle(self, *args: Any, checkpoint: str, **options: Any) -> None:
        """Ask for it, then follow it until it is made."""
        if sentence := refuse_name(checkpoint, FORM, what="checkpoint"):
            raise CommandError(f"{sentence}.")
        _, account, _, job, _, name = checkpoint.split("/")
        launch = Launch.objects.filter(account__account_id=account, job_id=job).select_related("account").first()
        if launch is None:
            raise CommandError(f"There is no accounts/{account}/rlorTrainerJobs/{job}.")
        try:
            model = promote_checkpoint(
                actor=SYSTEM,
                launch=launch,
                checkpoint=name,
                model_id=options["id"],
                display_name=options["name"],
                merged=options["merged"],
            )
        except InvalidArgument as refusal:
            raise CommandError("\n".join(each.description for each in refusal.violations)) from None
        except Refusal as refusal:
            raise CommandError(refusal.message) from None
        self._say(model if options["no_wait"] else self._followed(model))

    def _followed(self, model: TrainedModel) -> TrainedModel:
        told = ""
        while model.state == ModelState.CREATING:
            if model.detail and model.detail != told:
                self.stderr.write(model.detail)
            told = model.detail
            time.sleep(LOOK_SECONDS)
            found = TrainedModel.objects.select_related("account").filter(pk=model.pk).first()
            if found is None:
                raise CommandError("Somebody deleted it meanwhile.")
            model = found
        return model

    def _say(self, model: TrainedModel) -> None:
        if model.state == ModelState.FAILED:
            raise CommandError(model.detail)
        done = "is ready" if model.state == ModelState.READY else "is being made"
        self.stdout.write(f"{model.name} {done}: {model.size_bytes:,} bytes in {len(model.files)} files.")
