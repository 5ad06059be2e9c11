"""Push a model or a checkpoint to a destination: write the row; a worker brings the files there."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor
from accounts.domain.record import record
from catalog.models import TrainedModel
from connections.models import Destination
from launches.domain.release_weights import release
from launches.models import Checkpoint
from pushes.hints import PUSH
from pushes.models import Push
from pushes.queries import of_source
from queues.hints import hint_on_commit
from wire.errors import InvalidArgument, Violation


@transaction.atomic
def start_push(*, actor: Actor, source: TrainedModel | Checkpoint, destination: str) -> Push:
    """The push, or the one that is under way already; by whoever may download the same.

    Errors: those of `release`; `InvalidArgument` for a destination that there is not.
    """
    weights = release(actor=actor, source=source)
    held = Destination.objects.select_for_update().filter(name=destination).first()
    if held is None:
        raise InvalidArgument([Violation("destination", f"There is no destination {destination[:60]!r} (any more).")])
    of = of_source(source)
    if under_way := Push.objects.filter(destination=held, finished_at=None, **of).first():
        return under_way
    push = Push.objects.create(
        account=weights.account,
        destination=held,
        destination_name=held.name,
        place=place_of(source),
        size_bytes=sum(file.size_bytes for file in weights.files),
        started_by=actor.user,
        **of,
    )
    record(
        actor=actor,
        verb="push_weights",
        target=weights.name,
        account=weights.account,
        after={"destination": held.name, "address": f"{held.address}/{push.place}"},
    )
    hint_on_commit(PUSH, push.pk)
    return push


def place_of(source: TrainedModel | Checkpoint) -> str:
    """The folder of the weights below the address of any destination."""
    if isinstance(source, TrainedModel):
        return f"{source.account.account_id}/models/{source.model_id}"
    launch = source.launch
    return f"{launch.account.account_id}/rlorTrainerJobs/{launch.job_id}/{source.kind.lower()}/{source.name}"
