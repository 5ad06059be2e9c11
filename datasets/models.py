"""The rows of datasets. Written by the verbs in `datasets/domain/` only."""

from __future__ import annotations

import uuid

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Now, Upper

from accounts.models import Account, User
from connections.models import Connection
from datasets.checking.formats import DatasetFormat
from datasets.states import KEPT, WORKED_ON, DatasetState
from queues.leases import LeasedRow
from wire import names

LONGEST_PATH = 1_000
_LIVING = ~Q(state=DatasetState.DELETED)


class Dataset(LeasedRow):
    """`accounts/{account}/datasets/{dataset_id}`: a file of rows, and what its check found.

    The row says what is true of the file (`datasets.storage`), which is named by `uid` alone: `received_bytes` of
    `size_bytes` are here. `sha256`, `format`, `rows`, `lengths` and `samples` are what one pass over it found, and are
    frozen with it once it is READY. A deleted one stays as a row without a file, for what was trained on it.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="datasets")
    dataset_id = models.CharField(max_length=63)
    display_name = models.CharField(max_length=200, blank=True)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="datasets")
    connection = models.ForeignKey(
        Connection, on_delete=models.SET_NULL, null=True, blank=True, related_name="+",
        help_text="In whose directory the file lay, where it was not uploaded.",
    )  # fmt: skip
    source_path = models.CharField(max_length=LONGEST_PATH, blank=True, help_text="Its path below that directory.")
    state = models.CharField(
        max_length=9, choices=[(s.value, s.value) for s in DatasetState], default=DatasetState.UPLOADING
    )
    detail = models.TextField(blank=True, help_text="Why it was refused, or what holds it up.")
    size_bytes = models.PositiveBigIntegerField(null=True, blank=True, help_text="None until somebody said it.")
    received_bytes = models.PositiveBigIntegerField(default=0)
    checked_bytes = models.PositiveBigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    format = models.CharField(max_length=10, choices=[(f.value, f.value) for f in DatasetFormat], blank=True)
    rows = models.PositiveBigIntegerField(null=True, blank=True)
    findings = models.JSONField(default=list, blank=True, help_text="As `datasets.checking.problems` keeps them.")
    lengths = models.JSONField(default=dict, blank=True, help_text="In characters, as `datasets.checking.lengths`.")
    samples = models.JSONField(default=list, blank=True, help_text="A few rows, cut, as they are shown.")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True, help_text="When nothing was left to do for it.")
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "dataset_id"], condition=_LIVING, name="dataset_id_unique"),
            models.CheckConstraint(condition=Q(dataset_id__regex=f"^{names.ID_PATTERN}$"), name="dataset_id_is_an_id"),
            models.CheckConstraint(
                condition=Q(size_bytes__isnull=True, received_bytes=0) | Q(received_bytes__lte=F("size_bytes")),
                name="dataset_received_within_size",
            ),
            models.CheckConstraint(
                condition=~Q(state=DatasetState.READY)
                | Q(
                    sha256__regex="^[0-9a-f]{64}$",
                    format__in=[f.value for f in DatasetFormat],
                    rows__gt=0,
                    received_bytes=F("size_bytes"),
                ),
                name="dataset_checked_when_ready",
            ),
            models.CheckConstraint(
                condition=Q(state__in=sorted(WORKED_ON), finished_at__isnull=True)
                | (~Q(state__in=sorted(WORKED_ON)) & Q(finished_at__isnull=False)),
                name="dataset_finished_when_over",
            ),
            models.CheckConstraint(
                condition=Q(state=DatasetState.DELETED, deleted_at__isnull=False)
                | (_LIVING & Q(deleted_at__isnull=True)),
                name="dataset_deleted_when_gone",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-created_at", "-id"], condition=_LIVING, name="datasets_listed"),
            models.Index(fields=["account", "dataset_id", "id"], condition=_LIVING, name="datasets_by_name"),
            models.Index(fields=["account", "state", "-created_at", "-id"], name="datasets_by_state"),
            models.Index(fields=["account", "format", "-created_at", "-id"], name="datasets_by_format"),
            models.Index(
                fields=["account"], include=["size_bytes"], condition=Q(state__in=sorted(KEPT)), name="datasets_kept"
            ),
            GinIndex(
                OpClass(Upper("dataset_id"), "gin_trgm_ops"),
                OpClass(Upper("display_name"), "gin_trgm_ops"),
                name="dataset_names_trigrams",
            ),
            models.Index(fields=["next_check_at"], condition=Q(finished_at__isnull=True), name="datasets_due"),
        ]

    def __str__(self) -> str:
        return self.dataset_id

    @property
    def name(self) -> str:
        """The resource name. Needs `account` loaded."""
        return names.dataset_name(self.account.account_id, self.dataset_id)


class TokenCount(LeasedRow):
    """How many tokens a dataset has by the tokenizer of a base model: asked for, and told once a worker has counted.

    `lengths` are as `datasets.checking.lengths` keeps them, in tokens; `samples` are its first rows as the model reads
    them, with what is learnt; `detail` says why it could not be counted.
    """

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="token_counts")
    base_model = models.CharField(max_length=200, help_text="Resource name.")
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    lengths = models.JSONField(default=dict, blank=True)
    samples = models.JSONField(
        db_default=Value([], models.JSONField()), blank=True, help_text="As the providers' `TokenLengths` has them."
    )
    detail = models.TextField(blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["dataset", "base_model"], name="one_token_count_of_a_model"),
        ]
        indexes = [models.Index(fields=["next_check_at"], condition=Q(finished_at__isnull=True), name="counts_due")]

    def __str__(self) -> str:
        return f"{self.dataset} by {self.base_model}"
