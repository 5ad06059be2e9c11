"""Weights on their way to a destination. Written by the verbs in `pushes/domain/` only."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import Account, User
from catalog.models import TrainedModel
from connections.models import NAME_LENGTH, Destination
from launches.models import Checkpoint
from pushes.states import PushState
from queues.leases import LeasedRow


class Push(LeasedRow):
    """A model or a checkpoint that is brought to a destination, and what became of that; gone with what it brings.

    The row is its own queue; results count under its lease alone. `placed` are the paths of the files that lie there
    and were compared; `place` is the folder below the destination's address, beside which the manifest is written last.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    model = models.ForeignKey(TrainedModel, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    destination = models.ForeignKey(Destination, on_delete=models.SET_NULL, null=True, related_name="+")
    destination_name = models.CharField(max_length=NAME_LENGTH)
    place = models.CharField(max_length=300)
    state = models.CharField(max_length=7, choices=[(s.value, s.value) for s in PushState], default=PushState.PUSHING)
    detail = models.TextField(blank=True, help_text="Why it failed, or what holds it up.")
    size_bytes = models.PositiveBigIntegerField()
    sent_bytes = models.PositiveBigIntegerField(default=0)
    placed = models.JSONField(default=list, blank=True)
    started_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(model__isnull=True) ^ Q(checkpoint__isnull=True), name="push_of_a_model_or_a_checkpoint"
            ),
            models.CheckConstraint(
                condition=Q(state=PushState.PUSHING, finished_at__isnull=True)
                | (~Q(state=PushState.PUSHING) & Q(finished_at__isnull=False)),
                name="push_finished_when_over",
            ),
            models.UniqueConstraint(
                fields=["model", "destination"], condition=Q(finished_at__isnull=True), name="one_push_of_a_model"
            ),
            models.UniqueConstraint(
                fields=["checkpoint", "destination"],
                condition=Q(finished_at__isnull=True),
                name="one_push_of_a_checkpoint",
            ),
        ]
        indexes = [models.Index(fields=["next_check_at"], condition=Q(finished_at__isnull=True), name="pushes_due")]

    def __str__(self) -> str:
        return f"{self.place} to {self.destination_name}"

    @property
    def percent(self) -> int:
        """How much of it is there, 0 to 100."""
        return min(100, 100 * self.sent_bytes // max(1, self.size_bytes))

    @property
    def source(self) -> TrainedModel | Checkpoint:
        """What is brought."""
        found = self.model or self.checkpoint
        assert found is not None  # as a constraint says
        return found
