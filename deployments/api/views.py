"""Deployments: each method by one verb."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.actors import require
from accounts.models import Account
from accounts.roles import Right
from api.listing import Filterable, Listing, Sortable, answer_list, column, compare
from api.refusals import invalid
from api.schema import answers_list, answers_nothing, answers_one
from api.views import UPDATE_MASK, ResourceView, asked, read_body, read_masked_body
from catalog.models import ShapeVersion
from catalog.version_queries import find_version
from deployments.api.resources import STATES, TAKEN, DeploymentSerializer
from deployments.domain.create_deployment import create_deployment
from deployments.domain.delete_deployment import delete_deployment
from deployments.domain.update_deployment import update_deployment
from deployments.models import Deployment
from deployments.queries import living_deployments
from deployments.states import DeploymentState
from launches.models import Launch
from wire.errors import AlreadyExists, InvalidArgument, NotFound, Violation
from wire.filters import FilterField, FilterKind
from wire.names import DEPLOYMENT_SHAPES, deployment_name, is_id, parse_version_name

WIRE = {
    "min_replicas": "minReplicaCount",
    "max_replicas": "maxReplicaCount",
    "base_model": "baseModel",
    "deployment_id": "deploymentId",
}
CHANGED = frozenset({*TAKEN, "minReplicaCount", "maxReplicaCount", "hotLoadTrainerJob", "baseModel"})
"""What PATCH changes."""
DEPLOYMENTS = Listing(
    key="deployments",
    model=Deployment,
    scope=("account",),
    serializer=DeploymentSerializer,
    filters={
        "state": Filterable(
            FilterField(FilterKind.CHOICE, tuple(state for state in STATES if state != DeploymentState.DELETED)),
            lambda operator, value: compare("state", operator, value),
        ),
        "create_time": column("created_at", FilterKind.TIME),
    },
    orders={"create_time": Sortable(("created_at",)), "name": Sortable(("deployment_id",))},
    default_order="create_time desc",
)


class DeploymentsView(ResourceView):
    """The deployments of an account."""

    takes: ClassVar = {
        "POST": ("deploymentId", "skipShapeValidation", "acceptShapelessRisk", "disableSpeculativeDecoding")
    }

    @extend_schema(**answers_list(DEPLOYMENTS))
    def get(self, request: Request, account: str) -> HttpResponse:  # noqa: ARG002
        """List them, newest first."""
        owner = self.listed_account(account)
        return answer_list(self, partial(living_deployments, owner), DEPLOYMENTS)

    @extend_schema(
        **answers_one(
            "CreateDeployment",
            DeploymentSerializer,
            body=DeploymentSerializer,
            conflicts=True,
            parameters=[
                OpenApiParameter("deploymentId", str, required=True, description="The new deployment's id."),
                OpenApiParameter("skipShapeValidation", bool, description="Of no effect."),
                OpenApiParameter("acceptShapelessRisk", bool, description="Refused: every deployment has a shape."),
                OpenApiParameter("disableSpeculativeDecoding", bool, description="Of no effect: there is none."),
            ],
        )
    )
    def post(self, request: Request, account: str) -> Response:
        """Create a deployment. The same id again is answered with 409, and changes nothing."""
        owner = self.own_account(account)
        require(self.actor, owner, Right.LAUNCH)
        body = read_body(DeploymentSerializer, request.data)
        _refuse_unavailable(body)
        deployment_id = asked(request, "deploymentId")
        if is_id(deployment_id) and living_deployments(owner).filter(deployment_id=deployment_id).exists():
            raise _taken(owner, deployment_id)
        version = _version(self.mine, body.get("deploymentShape", ""))
        bounds = {key: body[name] for key, name in list(WIRE.items())[:2] if name in body}
        with _wire_fields():
            made = create_deployment(
                actor=self.actor,
                account=owner,
                deployment_id=deployment_id,
                version=version,
                base_model=body.get("baseModel") or version.shape.base_model.name,
                trainer=_trainer(owner, body),
                said={name: body[name] for name in TAKEN if name in body},
                **bounds,
            )
        return self.answer(DeploymentSerializer, _find(self, account, made.deployment_id))


class DeploymentView(ResourceView):
    """One deployment."""

    takes: ClassVar = {"PATCH": ("updateMask",), "DELETE": ("ignoreChecks", "hard")}

    @extend_schema(**answers_one("GetDeployment", DeploymentSerializer))
    def get(self, request: Request, account: str, deployment: str) -> Response:  # noqa: ARG002
        """The deployment as it was last seen."""
        return self.answer(DeploymentSerializer, _find(self, account, deployment))

    @extend_schema(
        **answers_one("UpdateDeployment", DeploymentSerializer, body=DeploymentSerializer, parameters=[UPDATE_MASK])
    )
    def patch(self, request: Request, account: str, deployment: str) -> Response:  # noqa: ARG002
        """Change its replicas, what it serves, or the trainer whose weights it loads."""
        found = _find(self, account, deployment)
        body = read_masked_body(self, DeploymentSerializer)
        _refuse_fixed(found, body)
        with _wire_fields():
            update_deployment(
                actor=self.actor,
                deployment=found,
                min_replicas=body.get("minReplicaCount"),
                max_replicas=body.get("maxReplicaCount"),
                trainer=_trainer(found.account, body),
                base_model=body.get("baseModel") or None,
                said={name: body[name] for name in TAKEN if name in body},
            )
        return self.answer(DeploymentSerializer, _find(self, account, deployment))

    @extend_schema(
        **answers_nothing("DeleteDeployment")
        | {
            "parameters": [
                OpenApiParameter("ignoreChecks", bool, description="Of no effect."),
                OpenApiParameter("hard", bool, description="Of no effect: nothing of it is kept."),
            ]
        }
    )
    def delete(self, request: Request, account: str, deployment: str) -> Response:  # noqa: ARG002
        """Delete it: DELETING until its sampler has ended, then it is gone and its id is free."""
        delete_deployment(actor=self.actor, deployment=_find(self, account, deployment))
        return Response({})


def _find(view: ResourceView, account: str, deployment: str) -> Deployment:
    """Errors: `NotFound`."""
    owner = view.own_account(account)
    found = living_deployments(owner).filter(deployment_id=deployment).first() if is_id(deployment) else None
    if found is None:
        raise NotFound(f"There is no {deployment_name(account, deployment)[:300]}.")
    return found


def _taken(account: Account, deployment: str) -> AlreadyExists:
    return AlreadyExists(f"{deployment_name(account.account_id, deployment)} is there already. Choose another id.")


def _version(mine: list[int], name: str) -> ShapeVersion:
    """Errors: `InvalidArgument`."""
    if not name:
        raise invalid("deploymentShape", "A deployment runs from a deployment shape. Send the name of a version.")
    parsed = parse_version_name(name, DEPLOYMENT_SHAPES)
    found = find_version(mine, *parsed) if parsed else None
    if found is None or found.trainer_mode is not None:
        raise invalid("deploymentShape", f"There is no {name[:200]!r} that this API key may see. Use another version.")
    return found


def _trainer(account: Account, body: Mapping[str, Any]) -> Launch | None:
    """The account's job that the body names. Errors: `InvalidArgument`."""
    name = body.get("hotLoadTrainerJob") or ""
    if not name:
        return None
    match name.split("/"):
        case ["accounts", account.account_id, "rlorTrainerJobs", job] if is_id(job):
            rows = Launch.objects.filter(account=account, job_id=job, deleted_at__isnull=True)
            if found := rows.select_related("connection").first():
                return found
    raise invalid("hotLoadTrainerJob", f"There is no job {name[:200]!r} in {account.account_id}. Use one of its names.")


def _refuse_unavailable(body: Mapping[str, Any]) -> None:
    """Errors: `InvalidArgument` for what asks for something that there is not."""
    own = "The shape decides it. Leave it out."
    found = [Violation(name, own) for name in ("extraArgs", "extraValues", "preemptible") if body.get(name)]
    if body.get("acceleratorType"):
        found.append(Violation("acceleratorType", "The deployment shape decides it. Send a deploymentShape instead."))
    if body.get("placement", {}).get("region"):
        found.append(Violation("placement.region", "Connections have no regions. Leave it out."))
    if found:
        raise InvalidArgument(found)


def _refuse_fixed(row: Deployment, body: Mapping[str, Any]) -> None:
    """Errors: `InvalidArgument` for what cannot be changed, and is not as it is."""
    now = DeploymentSerializer().to_representation(row)
    wrong = [name for name, value in body.items() if name not in CHANGED and value and now.get(name) != value]
    if wrong:
        raise InvalidArgument([Violation(name, "It stays as it is. Create another deployment.") for name in wrong])


@contextmanager
def _wire_fields() -> Iterator[None]:
    """Name the fields of a refusal as the request does."""
    try:
        yield
    except InvalidArgument as error:
        raise InvalidArgument(
            [Violation(WIRE.get(v.field, v.field), v.description) for v in error.violations]
        ) from None
