"""Retire a connection: hidden, its secret wiped, for ever."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.actors import Actor, require_superuser
from connections.domain.held import hold
from connections.domain.wipe_connection import wipe_connection
from connections.models import Connection
from deployments.domain.move_deployment import move
from deployments.models import Deployment
from deployments.queries import LIVING, holding_on
from deployments.states import DeploymentState
from launches.occupancy import unfinished_on
from wire.counts import quantity
from wire.errors import FailedPrecondition


@transaction.atomic
def retire_connection(*, actor: Actor, connection: Connection, now: datetime) -> Connection:
    """Its launches keep their link to it and are as they were; its name is never given again. Trainers and samplers
    there that are not known here run on, and are listed no more. Deployments whose deletion it never answered are over
    here.

    Errors: `PermissionDenied` for all but superusers, `NotFound`, `FailedPrecondition` while a launch or a deployment
    there is not over, and for the one that the set-up makes.
    """
    require_superuser(actor)
    row = hold(connection)
    if left := _left(row):
        raise FailedPrecondition(
            f"{left} not over, and nobody could reach them any more. Pause {row}, cancel what may not go on, delete "
            "the deployments, and retire it once it is empty."
        )
    for deployment in Deployment.objects.select_for_update(of=("self",)).filter(LIVING, connection=row):
        move(
            deployment, DeploymentState.DELETED, now=now, detail=f"{row} never answered, and was retired.", actor=actor
        )
        deployment.running = False
        deployment.save()
    row.unknown_trainers.all().delete()
    row.unknown_samplers.all().delete()
    return wipe_connection(actor=actor, connection=row, now=now)


def _left(row: Connection) -> str:
    """What is not over there, in words; deployments that are being deleted count as long as it answers."""
    launches, deployments = unfinished_on(row).count(), holding_on(row).count()
    told = [
        *([quantity(launches, "launch", "launches")] if launches else []),
        *([quantity(deployments, "deployment")] if deployments else []),
    ]
    return f"{' and '.join(told)} there {'is' if launches + deployments == 1 else 'are'}" if told else ""
