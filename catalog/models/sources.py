"""Where an account's shapes come from: the file that was applied last, the connections that offer them."""

from __future__ import annotations

from pathlib import PurePath

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import Account, User
from catalog.models.shapes import TrainingShape
from catalog.states import SyncOutcome
from connections.models import Connection
from queues.leases import LeasedRow


class AppliedFile(models.Model):
    """The catalog file that an account's shapes were last brought to, and the bundled one that was decided about last.

    `bundled_sha256` is that of the bundled file that was applied or dismissed last: another one is newer.
    """

    account = models.OneToOneField(Account, on_delete=models.CASCADE, primary_key=True, related_name="+")
    source = models.CharField(max_length=300, blank=True, help_text="The file's name.")
    sha256 = models.CharField(max_length=64, blank=True)
    applied_at = models.DateTimeField(null=True, blank=True)
    bundled_sha256 = models.CharField(max_length=64, blank=True)

    def __str__(self) -> str:
        return f"{self.source} for {self.account_id}"

    @property
    def name(self) -> str:
        """The file's own name: where it lay is the affair of whoever ran the command."""
        return PurePath(self.source).name


class Offering(models.Model):
    """That a connection offers a shape, or did: a sync of it brought the shape here, or found it here under its name.

    `missing_since` is when a sync first did not find it there any more; it is empty again once it returns.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="offerings")
    shape = models.ForeignKey(TrainingShape, on_delete=models.CASCADE, related_name="offerings")
    since = models.DateTimeField(db_default=Now())
    missing_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "shape"], name="one_offering_a_shape")]

    def __str__(self) -> str:
        return f"{self.shape_id} of {self.connection_id}"


class SyncRun(LeasedRow):
    """A look at a connection's catalog, asked for or over. One that finds the same as the one before is counted there.

    `differences` are the steps by account, `refused` the lines that were left out, each with its reason;
    `fingerprint` is that of the plan: of a PLANNED run what is agreed to. Of an ASKED one `expected` and `plan_only`
    say what is to be done, and `detail` how far it is.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="sync_runs")
    outcome = models.CharField(max_length=9, choices=[(o.value, o.value) for o in SyncOutcome])
    began_at = models.DateTimeField(help_text="When what it compared was asked for.")
    finished_at = models.DateTimeField(null=True, blank=True)
    first_at = models.DateTimeField(help_text="When it was first found so.")
    times = models.PositiveIntegerField(default=1)
    counts = models.JSONField(default=dict)
    differences = models.JSONField(default=list)
    refused = models.JSONField(default=list)
    fingerprint = models.CharField(max_length=64, blank=True)
    detail = models.TextField(blank=True, help_text="Why it failed, or waits for somebody.")
    started_by = models.CharField(max_length=150, blank=True)
    asked_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    expected = models.CharField(max_length=64, blank=True, help_text="The fingerprint of the plan that was agreed to.")
    plan_only = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection"], condition=Q(outcome=SyncOutcome.ASKED), name="one_look_asked_for"
            ),
            models.CheckConstraint(
                condition=Q(outcome=SyncOutcome.ASKED, finished_at__isnull=True)
                | (~Q(outcome=SyncOutcome.ASKED) & Q(finished_at__isnull=False)),
                name="look_finished_unless_asked_for",
            ),
        ]
        indexes = [
            models.Index(fields=["connection", "-id"], name="sync_runs_of_connection"),
            models.Index(fields=["next_check_at"], condition=Q(finished_at__isnull=True), name="looks_to_do"),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} of {self.connection_id}"
