"""Resume a launch and what was launched with it."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor
from connections.providers.states import AttemptState
from deployments.domain.control_launch_set import references_of, samplers_of
from deployments.domain.update_deployment import update_deployment
from deployments.domain.wake_deployment import wake_deployment
from deployments.states import DeploymentState
from launches.domain.resume_launch import resume_launch
from launches.models import Launch
from launches.states import RESUMABLE
from wire.errors import FailedPrecondition


@transaction.atomic
def resume_launch_set(*, actor: Actor, launch: Launch) -> None:
    """Open the next attempts of the launch and of references that are over, and start samplers that are not there.

    Errors: as `resume_launch`, `wake_deployment` and `update_deployment`; `FailedPrecondition` while a reference ends.
    """
    for sampler in samplers_of(launch, actor):
        if sampler.state == DeploymentState.FAILED:
            update_deployment(actor=actor, deployment=sampler)
        else:
            wake_deployment(actor=actor, deployment=sampler)
    resume_launch(actor=actor, launch=launch)
    for reference in references_of(launch):
        if reference.state == AttemptState.CANCELLING:  # its loop would run into nothing, and hold its GPUs for that
            raise FailedPrecondition(
                f"{reference.job_id}, the reference of {launch.job_id}, is still ending. Resume once it is over."
            )
        if AttemptState(reference.state) in RESUMABLE:
            resume_launch(actor=actor, launch=reference)
