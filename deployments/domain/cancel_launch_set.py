"""Cancel a launch and what was launched with it."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor
from connections.providers.states import FINAL
from deployments.domain.control_launch_set import references_of, samplers_of
from deployments.domain.rest_deployment import rest_deployment
from launches.domain.cancel_launch import cancel_launch
from launches.models import Launch


@transaction.atomic
def cancel_launch_set(*, actor: Actor, launch: Launch, end_samplers: bool = False) -> None:
    """Ask for the end of the launch and its references; of those of its samplers that the actor may
    control, too, where that is said: all or nothing.

    Errors: as `cancel_launch` and `rest_deployment`.
    """
    for sampler in samplers_of(launch, actor) if end_samplers else ():
        rest_deployment(actor=actor, deployment=sampler)
    cancel_launch(actor=actor, launch=launch)
    for reference in references_of(launch):
        if reference.state not in FINAL:
            cancel_launch(actor=actor, launch=reference)
