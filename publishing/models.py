"""Validations of shape versions and what they measured; catalog files under review.

Written by the verbs in `publishing/domain/` only.
"""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import Account, User
from catalog.models import ShapeVersion
from launches.models import Launch
from publishing.states import ACTIVE, FINAL, ValidationKind, ValidationState
from queues.leases import LeasedRow

_FINAL_VALUES = sorted(state.value for state in FINAL)
_ACTIVE_VALUES = sorted(state.value for state in ACTIVE)


class Validation(LeasedRow):
    """One try at showing that a version runs; the row is the queue, as a launch's attempt is.

    A passed one is the version's passport. `uid` is the idempotency key of its launch. `log` holds lines of `at` (ISO
    time), `state` (the state that it was in), `level` (info, warning, error, fault) and `text`. What was not measured
    is NULL.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    version = models.ForeignKey(ShapeVersion, on_delete=models.CASCADE, related_name="validations")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=8, choices=[(k.value, k.value) for k in ValidationKind])
    state = models.CharField(
        max_length=12, choices=[(s.value, s.value) for s in ValidationState], default=ValidationState.QUEUED
    )
    requested_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    requested_label = models.CharField(max_length=200)
    reason = models.TextField(blank=True, help_text="Why it was validated by hand.")
    steps = models.PositiveIntegerField(null=True, blank=True)
    launch = models.ForeignKey(Launch, on_delete=models.PROTECT, null=True, blank=True, related_name="validations")
    outcome = models.TextField(blank=True, help_text="How it ended, in a sentence.")
    log = models.JSONField(default=list)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    provider = models.CharField(max_length=32, blank=True)
    image = models.TextField(blank=True)
    accelerator_type = models.CharField(max_length=32, blank=True)
    gpus = models.PositiveIntegerField(null=True, blank=True)
    nodes = models.CharField(max_length=200, blank=True, db_default="", help_text="Where the engine ran it.")
    gpus_had = models.CharField(max_length=200, blank=True, db_default="", help_text="What the engine gave it.")
    seconds_to_ready = models.FloatField(null=True, blank=True, help_text="Since the provider began.")
    seconds_per_step = models.FloatField(null=True, blank=True, help_text="Median, without the first step.")
    peak_memory_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    planned_memory_bytes = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="By the trainer, before it loaded."
    )
    memory = models.JSONField(null=True, blank=True, help_text="What the peak went to, beside what was planned.")
    longest_context = models.PositiveBigIntegerField(null=True, blank=True, help_text="Tokens.")
    first_loss = models.FloatField(null=True, blank=True)
    last_loss = models.FloatField(null=True, blank=True)
    forwards = models.PositiveIntegerField(null=True, blank=True, help_text="Of a forward-only trainer.")
    forward_seconds = models.FloatField(null=True, blank=True, help_text="Of all forwards together.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "number"], name="validation_number_unique"),
            models.UniqueConstraint(
                fields=["version"], condition=Q(state__in=_ACTIVE_VALUES), name="one_unfinished_validation"
            ),
            models.CheckConstraint(
                condition=Q(state__in=_FINAL_VALUES, finished_at__isnull=False)
                | Q(state__in=_ACTIVE_VALUES, finished_at__isnull=True),
                name="validation_finished_when_final",
            ),
            models.CheckConstraint(
                condition=Q(kind=ValidationKind.RUN, steps__gt=0)
                | Q(kind=ValidationKind.BY_HAND, state=ValidationState.PASSED, launch__isnull=True),
                name="by_hand_runs_nothing",
            ),
        ]
        indexes = [
            models.Index(fields=["next_check_at"], condition=Q(finished_at__isnull=True), name="validations_due"),
        ]

    def __str__(self) -> str:
        return f"validation {self.number} of {self.version_id}"

    @property
    def is_final(self) -> bool:
        """Whether its outcome is written."""
        return ValidationState(self.state) in FINAL


class CatalogImport(models.Model):
    """A catalog file that somebody uploaded and has not applied yet; `sha256` is that of the file's bytes.

    Kept here so that the review shows, and Apply does, what was uploaded; for a day only.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    source = models.CharField(max_length=100, help_text="The file's name, as errors repeat it.")
    sha256 = models.CharField(max_length=64)
    text = models.TextField()
    bundled = models.BooleanField(db_default=False, help_text="It came with Slipway; what it lacks stays as it is.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="catalog_imports_by_age")]

    def __str__(self) -> str:
        return f"{self.source} for {self.account_id}"
