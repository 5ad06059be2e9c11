"""Recipes that run beside trainers, as clients of Slipway's API. Written by the verbs in `launches/domain/` only."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import ApiKey
from connections.providers.states import AttemptState, Reason
from launches.models.launches import STATE_CHOICES, Attempt
from queues.leases import LeasedRow


class RecipeRun(LeasedRow):
    """The process that drives the trainer of one attempt. It is begun once that trainer is ready, and ends with it.

    `outcome`, `reason` and `detail` are how it ended by itself, and so how the attempt shall end; empty where the
    attempt ended first. `stopped_for` is why Slipway asked for its end, as it does so many hours after
    `began_at`.
    """

    attempt = models.OneToOneField(Attempt, on_delete=models.CASCADE, related_name="run")
    api_key = models.ForeignKey(ApiKey, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    state = models.CharField(max_length=12, choices=STATE_CHOICES, default=AttemptState.QUEUED)
    outcome = models.CharField(max_length=12, choices=STATE_CHOICES, blank=True)
    reason = models.CharField(max_length=20, blank=True, choices=[(r.value, r.value) for r in Reason])
    detail = models.TextField(blank=True)
    stopped_for = models.CharField(max_length=20, blank=True, choices=[(r.value, r.value) for r in Reason])
    message = models.TextField(blank=True, help_text="The recipe's own word of what it does.")
    percent = models.PositiveSmallIntegerField(null=True, blank=True)
    tokens = models.BigIntegerField(null=True, blank=True)
    step = models.PositiveIntegerField(null=True, blank=True)
    figures = models.JSONField(default=dict, help_text="Numbers of its newest step, by the recipe's own names.")
    output = models.JSONField(default=dict, help_text="What it made: model, checkpoint, job.")
    progress_read = models.PositiveIntegerField(default=0)
    log_tail = models.TextField(blank=True)
    log_offset = models.BigIntegerField(default=0)
    records_offset = models.BigIntegerField(db_default=0, help_text="Up to where its records were read.")
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True, help_text="When its process was asked for.")
    began_at = models.DateTimeField(null=True, blank=True, help_text="When it had a slot, its environment included.")
    finished_at = models.DateTimeField(null=True, blank=True, help_text="When nothing of it was left.")

    class Meta:
        indexes = [
            models.Index(fields=["next_check_at"], condition=Q(finished_at__isnull=True), name="recipe_runs_due"),
        ]

    def __str__(self) -> str:
        return f"recipe of attempt {self.attempt_id}"
