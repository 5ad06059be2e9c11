"""Trainer jobs: list, get, create, delete, cancel, resume; and their checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Account, User
from api.listing import Filterable, Listing, Sortable, answer_list, column, compare
from api.schema import answers_list, answers_nothing, answers_one
from api.views import WILDCARD, ResourceView, asked, read_body, refuse_body
from launches.api.create import create_job
from launches.api.jobs import job_of, living_jobs, with_attempts
from launches.api.placements import CreatedJobSerializer
from launches.api.resources import DELETED, STATES, WIRE_STATES, CheckpointSerializer, TrainerJobSerializer, WholeInput
from launches.domain.cancel_launch import cancel_launch
from launches.domain.check_launch import CheckedLaunch
from launches.domain.delete_launch import delete_launch
from launches.domain.extend_launch import extend_launch
from launches.domain.mirror_checkpoints import refresh_checkpoints
from launches.domain.resume_launch import resume_launch
from launches.models import Checkpoint, Launch
from launches.search import found_by
from wire import filters
from wire.errors import NotFound
from wire.filters import FilterField, FilterKind
from wire.names import is_id, job_name


def _state(operator: str, value: filters.Value) -> Q:
    wanted = Q(state__in=[state for state, wire in WIRE_STATES.items() if wire == value])
    return ~wanted if operator == "!=" else wanted


def _created_by(operator: str, value: filters.Value) -> Q:
    """By the key of the user, of which there is an index, where a whole name is compared."""
    if operator not in ("=", "!="):
        return compare("owner__username", operator, value)
    wanted = Q(owner__in=list(User.objects.filter(username=value).values_list("pk", flat=True)))
    return ~wanted if operator == "!=" else wanted


JOBS = Listing(
    key="rlorTrainerJobs",
    model=Launch,
    scope=("account",),
    serializer=TrainerJobSerializer,
    filters={
        "state": Filterable(FilterField(FilterKind.CHOICE, tuple(s for s in STATES if s != DELETED)), _state),
        "display_name": column("display_name", FilterKind.TEXT),
        "created_by": Filterable(FilterField(FilterKind.TEXT), _created_by),
        "create_time": column("created_at", FilterKind.TIME),
    },
    orders={"create_time": Sortable(("created_at",)), "name": Sortable(("job_id",))},
    default_order="create_time desc",
    search=found_by,
    read=with_attempts,
)
CHECKPOINTS = Listing(
    key="checkpoints",
    model=Checkpoint,
    scope=("launch",),
    serializer=CheckpointSerializer,
    filters={"create_time": column("saved_at", FilterKind.TIME), "step": column("step", FilterKind.WHOLE)},
    orders={"create_time": Sortable(("saved_at",))},
    default_order="create_time",
)


def find_job(view: ResourceView, account: str, job: str) -> Launch:
    """The job, also where it was deleted. Errors: `NotFound`."""
    known = is_id(job) and account != WILDCARD
    found = job_of(view.own_account(account), job) if known else None
    if found is None:
        raise NotFound(f"There is no {job_name(account, job)[:300]}.")
    return found


class TrainerJobsView(ResourceView):
    """The jobs of an account."""

    takes: ClassVar = {
        "POST": (
            *("rlorTrainerJobId", "trainingShape", "skipValidations", "deploymentId"),
            *("connection", "whenInterrupted", "validateOnly"),
        )
    }

    @extend_schema(**answers_list(JOBS))
    def get(self, request: Request, account: str) -> HttpResponse:  # noqa: ARG002
        """List the jobs, newest first; deleted ones are hidden."""
        owner = self.listed_account(account)
        return answer_list(self, partial(living_jobs, owner), JOBS)

    @extend_schema(
        **answers_one(
            "CreateRlorTrainerJob",
            CreatedJobSerializer,
            body=TrainerJobSerializer,
            conflicts=True,
            parameters=[
                OpenApiParameter("rlorTrainerJobId", str, description="The id; one is made up where it is left out."),
                OpenApiParameter("trainingShape", str, description="Name of a shape or version; else one is chosen."),
                OpenApiParameter("skipValidations", bool, description="The manual mode, which is refused."),
                OpenApiParameter("deploymentId", str, description="As hotLoadDeploymentId."),
                OpenApiParameter("connection", str, description="Where it runs, by a connection's name; else chosen."),
                OpenApiParameter(
                    "whenInterrupted", str, enum=["go-on", "wait"], description="Instead of waiting to be resumed."
                ),
                OpenApiParameter("validateOnly", bool, description="Say what would become of it, and create nothing."),
            ],
        )
    )
    def post(self, request: Request, account: str) -> Response:
        """Create a job. The same id again is answered with 409, and changes nothing."""
        owner = self.own_account(account)
        body = read_body(TrainerJobSerializer, request.data)
        query = {name: asked(request, name) for name in self.takes["POST"]}
        made = self.create(owner, query, body)
        return self.answer(CreatedJobSerializer, made)

    def create(self, owner: Account, query: dict[str, str], body: Mapping[str, Any]) -> Launch | CheckedLaunch:
        """The job that the request describes. Errors: as `create_job`."""
        return create_job(actor=self.actor, account=owner, mine=self.mine, query=query, body=body)


class TrainerJobView(ResourceView):
    """One job."""

    @extend_schema(**answers_one("GetRlorTrainerJob", TrainerJobSerializer))
    def get(self, request: Request, account: str, job: str) -> Response:  # noqa: ARG002
        """The job as it was last seen; a deleted one is a tombstone in the state JOB_STATE_DELETED."""
        return self.answer(TrainerJobSerializer, find_job(self, account, job))

    @extend_schema(**answers_nothing("DeleteRlorTrainerJob"))
    def delete(self, request: Request, account: str, job: str) -> Response:  # noqa: ARG002
        """Delete it; a running one is cancelled first. Its id stays taken."""
        delete_launch(actor=self.actor, launch=find_job(self, account, job))
        return Response({})


class CancelTrainerJobView(ResourceView):
    """`:cancel`"""

    @extend_schema(**answers_one("CancelRlorTrainerJob", TrainerJobSerializer))
    def post(self, request: Request, account: str, job: str) -> Response:
        """Ask for the end of the job."""
        refuse_body(request)
        cancel_launch(actor=self.actor, launch=find_job(self, account, job))
        return self.answer(TrainerJobSerializer, find_job(self, account, job))


class ResumeTrainerJobView(ResourceView):
    """`:resume`"""

    @extend_schema(**answers_one("ResumeRlorTrainerJob", TrainerJobSerializer))
    def post(self, request: Request, account: str, job: str) -> Response:
        """Open the next attempt; when this answers, the job is PENDING."""
        refuse_body(request)
        resume_launch(actor=self.actor, launch=find_job(self, account, job))
        return self.answer(TrainerJobSerializer, find_job(self, account, job))


class ExtensionSerializer(serializers.Serializer[Any]):
    """How many steps more."""

    steps = WholeInput(help_text="optimizer steps beyond those that it has")


class ExtendTrainerJobView(ResourceView):
    """`:extend`"""

    @extend_schema(**answers_one("ExtendRlorTrainerJob", TrainerJobSerializer, body=ExtensionSerializer))
    def post(self, request: Request, account: str, job: str) -> Response:
        """Let a recipe that has run to its end go on for so many steps; when this answers, the job is PENDING."""
        steps = read_body(ExtensionSerializer, request.data)["steps"]
        extend_launch(actor=self.actor, launch=find_job(self, account, job), steps=steps)
        return self.answer(TrainerJobSerializer, find_job(self, account, job))


class CheckpointsView(ResourceView):
    """Checkpoints of a job."""

    @extend_schema(**answers_list(CHECKPOINTS))
    def get(self, request: Request, account: str, job: str) -> HttpResponse:  # noqa: ARG002
        """List them, the oldest first; those of a job that is not over as its trainer has them now.

        A deleted job's are listed until they expire. One that is still being written is not listed.
        """
        launch = find_job(self, account, job)
        refresh_checkpoints(launch)

        def rows() -> QuerySet[Checkpoint]:
            return Checkpoint.objects.filter(launch=launch, writing=False).select_related("launch__account")

        return answer_list(self, rows, CHECKPOINTS)
