"""Models that people made: each is a row, and files of its own."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import Account, User
from catalog.states import ModelKind, ModelState
from connections.models import Connection
from connections.providers.checkpoints import CheckpointFile
from queues.leases import LeasedRow
from wire import names


class TrainedModel(LeasedRow):
    """A model that people made of a checkpoint: `accounts/{account}/models/{model_id}`, beside the base models there.

    It owns its files (`catalog.weights`). While they are copied it is CREATING, and the row is its own queue; results
    count under its lease alone. `provenance` is names, which outlive what they name; `job_id` and `checkpoint` say
    where the bytes come from on the connection. Where that keeps weights to itself, the model is made there and stays.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="trained_models")
    model_id = models.CharField(max_length=63)
    display_name = models.CharField(max_length=120, blank=True)
    state = models.CharField(
        max_length=8, choices=[(s.value, s.value) for s in ModelState], default=ModelState.CREATING
    )
    detail = models.TextField(blank=True, help_text="Why it failed, or what holds its making up.")
    kind = models.CharField(max_length=7, choices=[(k.value, k.value) for k in ModelKind])
    base_model = models.CharField(max_length=200, help_text="Resource name of what was trained.")
    root_model = models.CharField(max_length=200, help_text="Of the base model that all training began with.")
    model_type = models.CharField(max_length=63, null=True, blank=True)
    parameter_count = models.BigIntegerField(null=True, blank=True)
    lora_rank = models.PositiveIntegerField(default=0, help_text="Of an adapter.")
    target_modules = ArrayField(models.CharField(max_length=120), default=list, blank=True)
    provenance = models.JSONField(help_text="Launch, shape version, checkpoint, who and when: names, each in words.")
    files = models.JSONField(help_text="Of each file its path, bytes and sha256, as the trainer noted them.")
    left_out = models.JSONField(default=list, help_text="Paths of the checkpoint's files that were not taken.")
    merged_from = models.JSONField(
        default=list, db_default=[], blank=True, help_text="As `files`, those of the adapter that it was merged from."
    )
    elsewhere = models.JSONField(
        null=True, blank=True, help_text="Of a model that stays at its connection: its name and operation there."
    )
    size_bytes = models.PositiveBigIntegerField()
    copied_bytes = models.PositiveBigIntegerField(default=0)
    connection = models.ForeignKey(Connection, on_delete=models.SET_NULL, null=True, related_name="+")
    job_id = models.CharField(max_length=63)
    checkpoint = models.CharField(max_length=63)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    search_text = models.TextField(help_text="Of `catalog.search`, and the names as they are written.")
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True, help_text="When it was ready, or failed.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "model_id"], name="trained_model_id_unique"),
            models.CheckConstraint(
                condition=Q(model_id__regex=f"^{names.ID_PATTERN}$"), name="trained_model_id_is_an_id"
            ),
            models.CheckConstraint(
                condition=Q(state=ModelState.CREATING, finished_at__isnull=True)
                | (~Q(state=ModelState.CREATING) & Q(finished_at__isnull=False)),
                name="trained_model_finished_when_over",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-created_at", "-id"], name="trained_models_by_time"),
            models.Index(fields=["account", "size_bytes", "id"], name="trained_models_by_size"),
            models.Index(fields=["account", "kind", "-created_at", "-id"], name="trained_models_by_kind"),
            models.Index(fields=["account", "state", "-created_at", "-id"], name="trained_models_by_state"),
            models.Index(fields=["account", "root_model"], name="trained_models_by_root"),
            models.Index(fields=["account", "model_type", "parameter_count"], name="trained_models_by_type"),
            models.Index(fields=["next_check_at"], condition=Q(finished_at__isnull=True), name="trained_models_due"),
            GinIndex(fields=["search_text"], opclasses=["gin_trgm_ops"], name="trained_model_search_trigrams"),
        ]

    def __str__(self) -> str:
        return self.display_name or self.model_id

    @property
    def name(self) -> str:
        """The resource name. Needs `account` loaded."""
        return names.model_name(self.account.account_id, self.model_id)

    @property
    def kept_bytes(self) -> int:
        """What it takes of the disk here."""
        whole = self.state == ModelState.READY and self.elsewhere is None
        return self.size_bytes if whole else self.copied_bytes

    @property
    def name_elsewhere(self) -> str:
        """Its resource name at the connection that it stays at; "" where that is not known yet, and of all others."""
        return str((self.elsewhere or {}).get("name", ""))

    @property
    def contents(self) -> tuple[CheckpointFile, ...]:
        """Its files as values."""
        return tuple(CheckpointFile(**each) for each in self.files)

    @property
    def sources(self) -> tuple[CheckpointFile, ...]:
        """What is copied to make it: its own files, or those of the adapter that is folded into its base."""
        return tuple(CheckpointFile(**each) for each in self.merged_from or self.files)
