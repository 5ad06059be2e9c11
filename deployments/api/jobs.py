"""Jobs of an account, of which one may name the deployment that is to load its weights: the SDK's older scope."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from accounts.actors import require
from accounts.models import Account
from accounts.roles import Right
from api.refusals import invalid
from deployments.domain.update_deployment import update_deployment
from deployments.models import Deployment
from deployments.queries import living_deployments
from launches.api.create import only_checks, refuse_taken
from launches.api.views import TrainerJobsView
from launches.domain.check_launch import CheckedLaunch
from launches.models import Launch
from wire.names import is_id

FIELD, PARAMETER = "hotLoadDeploymentId", "deploymentId"
"""The SDK sends both, with the same id."""


class HotLoadedJobsView(TrainerJobsView):
    """The jobs of an account."""

    def create(self, owner: Account, query: dict[str, str], body: Mapping[str, Any]) -> Launch | CheckedLaunch:
        """The job, and the deployment that it names tied to it: both or neither. It runs where that one does.

        Errors: as `create_job` and `update_deployment`; `InvalidArgument` where there is no such deployment.
        """
        require(self.actor, owner, Right.LAUNCH)
        named = _named(owner, query, body)
        if not named:
            return super().create(owner, query, body)
        refuse_taken(owner, query["rlorTrainerJobId"])
        deployment = _find(owner, named)
        query = query | {"connection": query["connection"] or deployment.connection.name}
        if only_checks(query):  # it may ask the engine, for which no transaction waits
            return super().create(owner, query, body)
        with transaction.atomic():
            made = super().create(owner, query, body)
            if isinstance(made, Launch):
                update_deployment(actor=self.actor, deployment=deployment, trainer=made)
        return made


def _named(owner: Account, query: Mapping[str, str], body: Mapping[str, Any]) -> str:
    """The id that is named, "" for none. Errors: `InvalidArgument` where the two name different ones."""
    prefix = f"accounts/{owner.account_id}/deployments/"
    field = (body.get(FIELD) or "").strip().removeprefix(prefix)
    parameter = query[PARAMETER].strip().removeprefix(prefix)
    if field and parameter and field != parameter:
        raise invalid(FIELD, f"It is {field[:80]!r}, and {PARAMETER} is {parameter[:80]!r}. Send the same, or one.")
    return field or parameter


def _find(owner: Account, named: str) -> Deployment:
    found = living_deployments(owner).filter(deployment_id=named if is_id(named) else "").first()
    if found is None:
        raise invalid(
            FIELD,
            f"There is no deployment {named[:80]!r} in {owner.account_id}. Create it before, or leave this out and "
            "name the job as hotLoadTrainerJob of the deployment.",
        )
    return found
