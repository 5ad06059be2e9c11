"""Delete a launch and what was launched with it."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor
from deployments.domain.control_launch_set import references_of, samplers_of
from deployments.domain.delete_deployment import delete_deployment
from launches.domain.delete_launch import delete_launch
from launches.models import Launch


@transaction.atomic
def delete_launch_set(*, actor: Actor, launch: Launch, end_samplers: bool = False) -> None:
    """Delete the launch and its references; its samplers, too, where that is said: all or nothing.

    Samplers that stay are orphans, which idle to 0. Errors: as `delete_launch` and `delete_deployment`.
    """
    for sampler in samplers_of(launch, actor) if end_samplers else ():
        delete_deployment(actor=actor, deployment=sampler)
    delete_launch(actor=actor, launch=launch)
    for reference in references_of(launch):
        delete_launch(actor=actor, launch=reference)
