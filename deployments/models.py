"""The rows of deployments."""

from __future__ import annotations

import uuid
from dataclasses import replace

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts.models import Account, User
from catalog.models import ShapeVersion, TrainedModel
from connections.models import Connection
from connections.providers.attempts import Reference
from connections.providers.samplers import SamplerSpec
from connections.providers.states import FINAL, AttemptState
from deployments.states import DeploymentState
from launches.models import Launch
from queues.leases import LeasedRow
from wire import names

MOST_EVENTS = 200
_LIVING = ~Q(state=DeploymentState.DELETED)


class Deployment(LeasedRow):
    """`accounts/{account}/deployments/{deployment_id}`: samplers of one shape, wanted and as they were last seen.

    `replicas` are wanted now, between `min_replicas` and `max_replicas`, or 0 where somebody ended them, or nobody
    trains what they serve any more, until the next request; `ready_replicas` answered when it was last
    looked at. `start` numbers what is started, 0 as long as nothing was; `running` says that it may run still.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="deployments")
    deployment_id = models.CharField(max_length=63)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="deployments")
    shape_version = models.ForeignKey(ShapeVersion, on_delete=models.PROTECT, related_name="deployments")
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="deployments")
    trainer = models.ForeignKey(Launch, on_delete=models.PROTECT, null=True, blank=True, related_name="deployments")
    spec = models.JSONField()
    serves = models.CharField(max_length=300, help_text="Resource name of what it was asked to serve.")
    model = models.ForeignKey(
        TrainedModel, on_delete=models.PROTECT, null=True, blank=True, related_name="deployments",
        help_text="What it serves, where that is a model that people made; none once it was deleted.",
    )  # fmt: skip
    loaded = models.CharField(
        max_length=400, blank=True, help_text="Identity of what its sampler loaded last: what the next one starts with."
    )
    loaded_at = models.DateTimeField(null=True, blank=True, help_text="When it was seen to have loaded that.")
    load_seconds = models.FloatField(null=True, blank=True, help_text="How long it took, where its sampler says.")
    loaded_by = models.CharField(max_length=200, blank=True, db_default="", help_text="Label of who asked for that.")
    load_asked_by = models.CharField(
        max_length=200, blank=True, db_default="", help_text="Label of who asked for a load of which no end was seen."
    )
    said = models.JSONField(default=dict, help_text="What the request said that changes nothing here, to be answered.")
    form_key = models.CharField(
        max_length=64,
        blank=True,
        db_default="",
        help_text="Of the form that made it, which makes one however often sent.",
    )
    min_replicas = models.PositiveIntegerField()
    max_replicas = models.PositiveIntegerField()
    replicas = models.PositiveIntegerField()
    ready_replicas = models.PositiveIntegerField(default=0)
    start = models.PositiveIntegerField(default=0)
    running = models.BooleanField(default=False)
    start_trainer = models.ForeignKey(
        Launch, on_delete=models.SET_NULL, null=True, blank=True, related_name="+",
        help_text="Whose weights the newest start loads; `trainer` is whose the next one does.",
    )  # fmt: skip
    stop_asked = models.BooleanField(default=False, help_text="What runs is to end, whatever is wanted then.")

    state = models.CharField(
        max_length=8, choices=[(s.value, s.value) for s in DeploymentState], default=DeploymentState.CREATING
    )
    detail = models.TextField(blank=True, help_text="What a person should know about the state.")
    endpoint = models.CharField(max_length=400, blank=True)
    remote_name = models.CharField(
        max_length=160, blank=True, help_text="What its connection calls it, where requests have to name it so."
    )
    events = models.JSONField(default=list, help_text=f"The newest {MOST_EVENTS}: when, what, who.")
    log_tail = models.TextField(blank=True)
    log_offset = models.BigIntegerField(default=0, help_text="Bytes of the log of this start that were read.")
    records_offset = models.BigIntegerField(
        default=0, db_default=0, help_text="Bytes of the records of this start that were read."
    )
    observed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True, help_text="When it was deleted.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "deployment_id"],
                condition=~Q(state=DeploymentState.DELETED),
                name="deployment_id_unique",
            ),
            models.CheckConstraint(
                condition=Q(deployment_id__regex=f"^{names.ID_PATTERN}$"), name="deployment_id_is_an_id"
            ),
            models.CheckConstraint(
                condition=Q(replicas__lte=F("max_replicas"), min_replicas__lte=F("max_replicas"))
                & (Q(replicas=0) | Q(min_replicas__lte=F("replicas"))),
                name="replicas_within_bounds",
            ),
            models.CheckConstraint(
                condition=Q(state=DeploymentState.DELETED, finished_at__isnull=False)
                | (~Q(state=DeploymentState.DELETED) & Q(finished_at__isnull=True)),
                name="deployment_finished_when_deleted",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-created_at", "-id"], condition=_LIVING, name="deployments_listed"),
            models.Index(fields=["account", "state", "-created_at", "-id"], name="deployments_by_state"),
            models.Index(fields=["owner", "-created_at", "-id"], condition=_LIVING, name="deployments_by_owner"),
            models.Index(
                fields=["account", "shape_version", "-created_at", "-id"], condition=_LIVING, name="versions_deployed"
            ),
            models.Index(
                fields=["account", "connection", "-created_at", "-id"], condition=_LIVING, name="deployments_placed"
            ),
            models.Index(
                fields=["account", "serves", "-created_at", "-id"], condition=_LIVING, name="deployments_serving"
            ),
            models.Index(
                fields=["account", "-created_at", "-id"],
                condition=_LIVING & Q(replicas=0),
                name="deployments_asleep",
            ),
            models.Index(
                fields=["account", "-created_at", "-id"],
                condition=Q(trainer__isnull=False) & ~Q(state__in=[DeploymentState.DELETING, DeploymentState.DELETED]),
                name="deployments_tied",
            ),
            models.Index(fields=["account", "deployment_id", "id"], name="deployments_by_name"),
            models.Index(fields=["next_check_at"], condition=Q(finished_at__isnull=True), name="deployments_due"),
        ]

    def __str__(self) -> str:
        return self.deployment_id

    @property
    def name(self) -> str:
        """The resource name. Needs `account` loaded."""
        return names.deployment_name(self.account.account_id, self.deployment_id)

    @property
    def reference(self) -> Reference:
        """What the connection knows the newest start by: an id of ours, since deployments may follow under one name."""
        return Reference(self.account.account_id, f"{self.deployment_id[:54]}-{self.uid.hex[:8]}", self.start)

    @property
    def sampler_spec(self) -> SamplerSpec:
        """What its samplers are told: to serve what was loaded last."""
        spec = SamplerSpec(**self.spec)
        return replace(spec, snapshot=self.loaded) if self.loaded else spec


class UnknownSampler(models.Model):
    """What a connection runs, or keeps, under an id of this Slipway, although no deployment of it is here.

    A database that was restored is older than its samplers. The row lasts for as long as the connection lists it.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="unknown_samplers")
    account_name = models.CharField(max_length=63, blank=True, help_text="Id of the account, which need not be here.")
    job_id = models.CharField(max_length=63, help_text="What the connection knows the deployment by.")
    start = models.PositiveIntegerField()
    state = models.CharField(max_length=12, choices=[(state.value, state.value) for state in AttemptState])
    since = models.DateTimeField(null=True, blank=True, help_text="When the connection started or took it.")
    shape_version = models.CharField(max_length=200, blank=True, help_text="Name of what it was asked to run.")
    trainer_job = models.CharField(max_length=63, blank=True, help_text="Whose weights it loads.")
    gpus = models.PositiveIntegerField(null=True, blank=True, help_text="Of one replica, where that is known.")
    seen_at = models.DateTimeField(help_text="When it was noticed here.")
    end_requested_at = models.DateTimeField(null=True, blank=True)
    end_requested_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "account_name", "job_id", "start"], name="unknown_sampler_once"
            )
        ]
        ordering = ["seen_at", "pk"]

    def __str__(self) -> str:
        return self.job_id

    @property
    def reference(self) -> Reference:
        """What the connection calls it."""
        return Reference(self.account_name, self.job_id, self.start)

    @property
    def is_over(self) -> bool:
        """Whether nothing of it runs, and it stands there all the same."""
        return self.state in FINAL


class SamplerMetric(models.Model):
    """One numbered record of a deployment's sampler: what one set of weights answered, or a load of weights.

    `launch` is whose weights it loaded then; a deployment may be given another trainer.
    """

    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="metrics")
    launch = models.ForeignKey(Launch, on_delete=models.CASCADE, null=True, related_name="sampler_metrics")
    start = models.PositiveIntegerField()
    number = models.PositiveIntegerField()
    is_load = models.BooleanField()
    identity = models.CharField(max_length=400, blank=True, help_text="Of the weights; none of the base model.")
    requests = models.PositiveIntegerField()
    prompt_tokens = models.PositiveBigIntegerField()
    completion_tokens = models.PositiveBigIntegerField()
    seconds = models.FloatField(help_text="With requests under way, or that the load took.")
    message = models.CharField(max_length=500, blank=True, help_text="Why a load failed.")
    at = models.DateTimeField(help_text="When the newest answer was given, or the load ended.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["deployment", "start", "number"], name="sampler_metric_number_unique")
        ]
        indexes = [
            models.Index(fields=["launch", "-at"], name="sampler_metrics_of_launch"),
            models.Index(fields=["deployment", "-at"], name="sampler_metrics_of_deployment"),
            models.Index(fields=["at"], name="sampler_metrics_by_age"),
        ]

    def __str__(self) -> str:
        return f"record {self.number} of start {self.start}"
