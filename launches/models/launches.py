"""Launches, their attempts and timelines."""

from __future__ import annotations

import uuid

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.functional import cached_property

from accounts.models import Account, User
from catalog.models import ShapeVersion
from connections.models import Connection
from connections.providers.attempts import Reference
from connections.providers.states import FINAL, AttemptState, Reason
from launches.labels import LONGEST
from launches.states import ACTIVE
from queues.leases import LeasedRow
from wire import names

STATE_CHOICES = [(state.value, state.value) for state in AttemptState]
_FINAL_VALUES = sorted(state.value for state in FINAL)
_ACTIVE_VALUES = sorted(state.value for state in ACTIVE)


class Launch(models.Model):
    """One trainer job, `accounts/{account}/rlorTrainerJobs/{job_id}`: what was asked for, resolved, and recorded.

    `spec` is a copy of everything the provider was told, so a launch can be repeated after its shape is gone. `state`
    repeats the state of the newest attempt for lists; `move()` writes both in one transaction. So do `run_seconds`,
    `last_loss` and `last_step`: lists show and sort by them.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="launches")
    job_id = models.CharField(max_length=63)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="launches")
    shape_version = models.ForeignKey(ShapeVersion, on_delete=models.PROTECT, related_name="launches")
    display_name = models.CharField(max_length=63, blank=True)
    spec = models.JSONField()
    inputs = models.JSONField(help_text="What the user set, as they set it: what a clone starts from.")
    reference_of = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="references", help_text="Its policy."
    )
    purpose = models.CharField(max_length=LONGEST, blank=True, db_default="", help_text="A label: see launches.labels.")
    managed_by = models.CharField(max_length=LONGEST, blank=True, db_default="", help_text="A label, too.")
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="launches")
    adopted_account = models.CharField(max_length=63, blank=True, db_default="", help_text="See adopted_job.")
    adopted_job = models.CharField(
        max_length=63,
        blank=True,
        db_default="",
        help_text="What its connection knows the job as, where that is not account and job id: it was adopted.",
    )
    idempotency_key = models.CharField(max_length=64)
    state = models.CharField(max_length=12, choices=STATE_CHOICES, default=AttemptState.QUEUED)
    attempt_count = models.PositiveIntegerField(default=1)
    last_event = models.PositiveIntegerField(default=0, help_text="Sequence number of the newest event.")
    search_text = models.TextField(help_text="Of `launches.search`: its names and its shape's, as they were then.")
    run_seconds = models.FloatField(default=0, db_default=0, help_text="How long its attempts that are over have run.")
    last_loss = models.FloatField(null=True, blank=True, help_text="Of the newest record of its series.")
    last_step = models.PositiveIntegerField(null=True, blank=True, help_text="Of the same record.")
    plan = models.JSONField(null=True, blank=True, help_text="What its recipe said that the run will be.")
    agreed_version = models.CharField(
        max_length=300, blank=True, db_default="", help_text="What the engine resolved, where somebody agreed to that."
    )
    made_by_program = models.BooleanField(default=False, db_default=False, help_text="By the API, with a key.")
    claimed_at = models.DateTimeField(
        null=True, blank=True, help_text="When a client was first seen to have opened a session, in any attempt."
    )
    tied_at = models.DateTimeField(null=True, blank=True, help_text="When a deployment was first tied to it.")
    goes_on = models.BooleanField(
        default=False, db_default=False, help_text="Whether it goes on by itself where it is interrupted."
    )
    interruptions = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="How often in a row it was interrupted without a new checkpoint."
    )
    created_at = models.DateTimeField(db_default=Now())
    deleted_at = models.DateTimeField(null=True, blank=True)
    kept_until = models.DateTimeField(
        null=True, blank=True, help_text="Until when the checkpoints of a deleted one are kept."
    )
    purge_due_at = models.DateTimeField(null=True, blank=True, help_text="When there is something of it to remove.")
    purged_at = models.DateTimeField(null=True, blank=True, help_text="When the provider had removed all its files.")

    class Meta:
        verbose_name_plural = "launches"
        constraints = [
            models.UniqueConstraint(fields=["account", "job_id"], name="job_id_unique_for_ever"),
            models.UniqueConstraint(fields=["owner", "idempotency_key"], name="one_launch_per_key"),
            models.UniqueConstraint(
                fields=["connection", "adopted_account", "adopted_job"],
                condition=~Q(adopted_job=""),
                name="adopted_once",
            ),
            models.CheckConstraint(condition=Q(job_id__regex=f"^{names.ID_PATTERN}$"), name="job_id_is_an_id"),
        ]
        indexes = [
            models.Index(
                fields=["account", "-created_at", "-id"], condition=Q(deleted_at__isnull=True), name="launches_listed"
            ),
            models.Index(
                fields=["account", "state", "-created_at", "-id"],
                condition=Q(deleted_at__isnull=True),
                name="launches_by_state",
            ),
            models.Index(
                fields=["owner", "-created_at", "-id"], condition=Q(deleted_at__isnull=True), name="launches_by_owner"
            ),
            models.Index(fields=["shape_version", "-created_at", "-id"], name="launches_by_version"),
            models.Index(
                fields=["account", "shape_version"], condition=Q(deleted_at__isnull=True), name="versions_launched"
            ),
            models.Index(
                fields=["account", "run_seconds", "id"],
                condition=Q(deleted_at__isnull=True),
                name="launches_by_duration",
            ),
            models.Index(
                fields=["account", "last_loss", "id"],
                condition=Q(deleted_at__isnull=True, last_loss__isnull=False),
                name="launches_by_loss",
            ),
            models.Index(
                fields=["account", "id"],
                condition=Q(deleted_at__isnull=True, last_loss__isnull=True),
                name="launches_without_loss",
            ),
            GinIndex(fields=["search_text"], opclasses=["gin_trgm_ops"], name="launch_search_trigrams"),
            # Whole, though few have one: what Postgres knows of a part's values it takes for all rows'.
            models.Index(F("spec__dataset__file"), name="launches_by_dataset"),
            models.Index(F("spec__evaluation__file"), name="launches_by_evaluation"),
            models.Index(F("account"), F("spec__base_model"), name="launches_by_base_model"),
            models.Index(
                fields=["purge_due_at"], condition=Q(purge_due_at__isnull=False), name="launches_due_for_purge"
            ),
        ]

    def __str__(self) -> str:
        return self.display_name or self.job_id

    @property
    def name(self) -> str:
        """The resource name. Needs `account` loaded."""
        return names.job_name(self.account.account_id, self.job_id)

    @cached_property
    def every_attempt(self) -> list[Attempt]:
        """Its attempts, in no order; whoever made them says which they are, so that nobody asks for them."""
        return list(self.attempts.all())

    @property
    def known_as(self) -> tuple[str, str]:
        """The account and the job that its connection knows it by. Needs `account` loaded."""
        return (self.adopted_account, self.adopted_job) if self.adopted_job else (self.account.account_id, self.job_id)


class Attempt(LeasedRow):
    """One try at running a launch. At most one of a launch is unfinished.

    A result that comes back under another lease than the row's is dropped.
    """

    launch = models.ForeignKey(Launch, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=12, choices=STATE_CHOICES, default=AttemptState.QUEUED)
    reason = models.CharField(max_length=20, blank=True, choices=[(r.value, r.value) for r in Reason])
    detail = models.TextField(blank=True, help_text="What a person should know about the state, in a sentence.")
    ready = models.BooleanField(default=False)
    ready_at = models.DateTimeField(null=True, blank=True, help_text="Since when it answers; empty where it does not.")
    silent_since = models.DateTimeField(null=True, blank=True, help_text="Since when it answers no more.")
    endpoint = models.CharField(max_length=400, blank=True)
    resume_from = models.CharField(max_length=63, blank=True, help_text="Name of the checkpoint it started from.")
    queue_position = models.PositiveIntegerField(null=True, blank=True)
    estimated_start = models.DateTimeField(null=True, blank=True, help_text="When the engine expects to start it.")
    remote_id = models.CharField(max_length=200, blank=True, db_default="", help_text="The engine's own id.")
    remote_state = models.CharField(max_length=64, blank=True, db_default="", help_text="The engine's own state.")
    remote_nodes = models.CharField(max_length=200, blank=True, db_default="", help_text="Where the engine ran it.")
    remote_gpus = models.CharField(max_length=200, blank=True, db_default="", help_text="What the engine gave it.")
    gpu_seconds = models.BigIntegerField(null=True, blank=True, help_text="As the engine has counted them so far.")
    passed_loss = models.FloatField(default=0, db_default=0, help_text="Seen in the gateway since the last step.")
    passed_tokens = models.BigIntegerField(default=0, db_default=0, help_text="Over which that loss is a sum.")
    remote_version = models.CharField(
        max_length=300, blank=True, db_default="", help_text="The shape version that the engine resolved by itself."
    )
    version_asked_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when it waits for a yes to that version."
    )
    observed_at = models.DateTimeField(null=True, blank=True)
    absent_since = models.DateTimeField(
        null=True, blank=True, help_text="Since when the connection says that it knows no such job."
    )
    absences = models.PositiveSmallIntegerField(default=0, db_default=0, help_text="How often in a row it said so.")
    submitted_at = models.DateTimeField(null=True, blank=True, help_text="When the provider confirmed that it has it.")
    adopted_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was taken over from its connection, where it ran already."
    )
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    progress_read = models.PositiveIntegerField(
        default=0, help_text="Number of the newest progress line that was read."
    )
    log_tail = models.TextField(blank=True)
    log_offset = models.BigIntegerField(default=0, help_text="Bytes of the log that were read.")
    metrics_read = models.PositiveIntegerField(default=0, help_text="Number of the newest metric record that was read.")
    metrics_offset = models.BigIntegerField(default=0, help_text="Where the provider goes on reading records.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["launch", "number"], name="attempt_number_unique"),
            models.UniqueConstraint(
                fields=["launch"], condition=Q(state__in=_ACTIVE_VALUES), name="one_unfinished_attempt"
            ),
            models.CheckConstraint(
                condition=Q(state__in=_FINAL_VALUES, finished_at__isnull=False, ready=False)
                | Q(state__in=_ACTIVE_VALUES, finished_at__isnull=True),
                name="finished_when_final",
            ),
        ]
        indexes = [
            models.Index(fields=["next_check_at"], condition=Q(finished_at__isnull=True), name="attempts_due"),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.launch_id}"

    @property
    def reference(self) -> Reference:
        """What a provider knows it by. Needs the launch with its `account` loaded."""
        return Reference(*self.launch.known_as, self.number)

    @property
    def is_final(self) -> bool:
        """Whether its outcome is written."""
        return AttemptState(self.state) in FINAL


class Event(models.Model):
    """One line of a launch's timeline. Sequence numbers of a launch have no gaps."""

    launch = models.ForeignKey(Launch, on_delete=models.CASCADE, related_name="events")
    sequence = models.PositiveIntegerField()
    attempt_number = models.PositiveIntegerField()
    kind = models.CharField(max_length=32)
    message = models.TextField()
    data = models.JSONField(default=dict)
    actor = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    actor_label = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["launch", "sequence"], name="event_sequence_unique")]

    def __str__(self) -> str:
        return f"{self.sequence}: {self.message}"
