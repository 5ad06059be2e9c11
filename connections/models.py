"""Where trainers run, and which Slipway this is. Written by the verbs in `connections/domain/` only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import Account
from connections.capacities import free_words, read_capacity, would_wait
from connections.providers.official import Checkout
from connections.states import ConnectionState
from wire import names

NAME_LENGTH = 32
TITLE_LENGTH = 63
REASON_LENGTH = 200
PATH_LENGTH = 400
ADDRESS_LENGTH, REGION_LENGTH, KEY_ID_LENGTH = 400, 63, 128
STATE_CHOICES = [(state.value, state.value) for state in ConnectionState]


class Connection(models.Model):
    """One place where trainers run: a kind, its configuration, and who may use it.

    `config` is what the kind's own dataclass reads (`connections.kinds`); `secret` is sealed (`connections.sealing`).
    `capacity` is what the provider last answered, with its time. `unreachable_since`, `refused_since`, `failures`,
    `next_try_at` and `last_error` say that it did not answer, or did not take the secret: a state of the connection,
    never of its launches.
    """

    name = models.CharField(max_length=NAME_LENGTH, unique=True)
    kind = models.CharField(max_length=32)
    display_name = models.CharField(max_length=TITLE_LENGTH)
    config = models.JSONField(default=dict, blank=True)
    secret = models.TextField(blank=True, help_text="Sealed; never shown.")
    owner = models.ForeignKey(
        Account, null=True, blank=True, on_delete=models.PROTECT, related_name="owned_connections"
    )
    for_everyone = models.BooleanField(default=False, help_text="Every account may use it.")
    accounts = models.ManyToManyField(Account, blank=True, related_name="connections")
    position = models.PositiveIntegerField(default=0, help_text="Launches try the lowest first.")
    state = models.CharField(max_length=8, choices=STATE_CHOICES, default=ConnectionState.OPEN)
    pause_reason = models.CharField(max_length=REASON_LENGTH, blank=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    capacity = models.JSONField(null=True, blank=True)
    capacity_at = models.DateTimeField(null=True, blank=True)
    unreachable_since = models.DateTimeField(null=True, blank=True)
    refused_since = models.DateTimeField(null=True, blank=True, help_text="When it last began to refuse its secret.")
    failures = models.PositiveIntegerField(default=0, help_text="In a row.")
    next_try_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    observing_until = models.DateTimeField(null=True, blank=True, help_text="While all that runs there is looked at.")
    comparing_until = models.DateTimeField(null=True, blank=True, help_text="While that is compared with our rows.")
    comparing_samplers_until = models.DateTimeField(null=True, blank=True, help_text="The same of samplers.")
    created_at = models.DateTimeField(db_default=Now())
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(name__regex=f"^{names.ID_PATTERN}$"), name="connection_name_is_an_id"),
            models.CheckConstraint(
                condition=~Q(state=ConnectionState.RETIRED) | Q(secret="", retired_at__isnull=False),
                name="retired_connection_has_no_secret",
            ),
            models.CheckConstraint(
                condition=Q(unreachable_since__isnull=True, refused_since__isnull=True) | Q(failures__gt=0),
                name="unreachable_connection_failed",
            ),
        ]

    def __str__(self) -> str:
        return self.display_name or self.name

    @property
    def resource_name(self) -> str:
        """What the audit log calls it; `name` is its id."""
        return names.connection_name(self.name)

    @property
    def takes_launches(self) -> bool:
        """Whether a new launch may go there."""
        return not self.closed_because

    @property
    def closed_because(self) -> str:
        """Why it takes no new launches, in a sentence; "" where it does."""
        unmet = (each for each in LAUNCH_CONDITIONS if getattr(self, each.column) != each.value)
        return next((each.otherwise(self) for each in unmet), "")

    @property
    def silent_since(self) -> datetime | None:
        """Since when it does not answer, or not to us; None where it does."""
        return self.unreachable_since or self.refused_since

    @property
    def refused_because(self) -> str:
        """Since when it does not take its secret, and who mends that, in a sentence; "" where it takes it."""
        if self.refused_since is None:
            return ""
        since = f"{self.refused_since.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        return f"Its key was not accepted since {since}: a superuser has to put another in."

    @property
    def free(self) -> str:
        """What it has free, in a few words, as of `capacity_at`; "" where it does not say."""
        return free_words(read_capacity(self.capacity))

    def wait_for(self, accelerator_type: str, gpus: int) -> str:
        """Why so many GPUs of the type would wait there, as of `capacity_at`; "" where they would not."""
        return would_wait(read_capacity(self.capacity), accelerator_type=accelerator_type, gpus=gpus)

    @property
    def is_reachable(self) -> bool:
        """Whether it answered when it was last asked."""
        return self.unreachable_since is None


@dataclass(frozen=True)
class LaunchCondition:
    """What a column of a connection that takes launches holds, and why there are none where it holds anything else."""

    column: str
    value: str | None
    otherwise: Callable[[Connection], str]


def _paused_or_retired(row: Connection) -> str:
    if row.state == ConnectionState.RETIRED:
        return "It was retired."
    return f"It is paused: {row.pause_reason}" if row.pause_reason else "It is paused."


LAUNCH_CONDITIONS = (
    LaunchCondition("state", ConnectionState.OPEN, _paused_or_retired),
    LaunchCondition("refused_since", None, lambda row: row.refused_because),
)
"""All of them; of those that are not met the first is told. `stays_open` makes SQL of them."""


class PlaceForAccount(models.Model):
    """The place of a connection in the order of an account that has one of its own."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+")
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    position = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "connection"], name="one_place_for_an_account")]

    def __str__(self) -> str:
        return f"{self.position}: {self.connection_id} for {self.account_id}"


class Destination(models.Model):
    """A directory or a bucket that a superuser set, for every account to push its weights to (`connections.stores`)."""

    name = models.CharField(max_length=NAME_LENGTH, unique=True)
    address = models.CharField(max_length=ADDRESS_LENGTH, help_text="The directory's path, or s3://BUCKET/PREFIX.")
    endpoint = models.CharField(max_length=ADDRESS_LENGTH, blank=True, help_text="Of a bucket that is not Amazon's.")
    region = models.CharField(max_length=REGION_LENGTH, blank=True)
    key_id = models.CharField(max_length=KEY_ID_LENGTH, blank=True, help_text="The id of the access key; no secret.")
    secret = models.TextField(blank=True, help_text="Sealed; never shown.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(name__regex=f"^{names.ID_PATTERN}$"), name="destination_name_is_an_id")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def resource_name(self) -> str:
        """What the audit log calls it."""
        return names.destination_name(self.name)


class CookbookCheckout(models.Model):
    """A checkout of the public cookbook whose recipes every account may launch, as they are in one commit."""

    name = models.CharField(max_length=NAME_LENGTH, unique=True)
    path = models.CharField(max_length=PATH_LENGTH, help_text="The folder's whole path, which the workers can read.")
    commit = models.CharField(max_length=40, help_text="40 hexadecimal digits; nothing else of the checkout counts.")
    sdk = models.CharField(max_length=20, help_text="The version of the official SDK that its recipes get.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(name__regex=f"^{names.ID_PATTERN}$"), name="checkout_name_is_an_id"),
            models.CheckConstraint(condition=Q(commit__regex="^[0-9a-f]{40}$"), name="checkout_names_one_commit"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def resource_name(self) -> str:
        """What the audit log calls it."""
        return names.checkout_of_cookbook(self.name)

    @property
    def as_told(self) -> Checkout:
        """What a recipe's process is told of it."""
        return Checkout(self.name, self.path, self.commit, self.sdk)


class Instance(models.Model):
    """Which Slipway this is, in one row: its id is part of every id that a shared engine knows us by.

    A copy of the database has the same id and would drive what the original drives: `home` is where this one lived
    when it was last sure of itself, and `doubted_at` since when a superuser has to say which of the two it is.
    """

    id = models.CharField(primary_key=True, max_length=10)
    home = models.CharField(max_length=400, blank=True)
    doubted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.id
