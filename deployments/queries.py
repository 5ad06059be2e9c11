"""Reads of deployments."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce

from accounts.models import Account
from catalog.models import ShapeVersion, TrainingShape
from connections.models import Connection
from connections.providers.states import FINAL
from deployments.models import Deployment
from deployments.states import DeploymentState
from launches.models import Attempt, Launch
from lists.in_use import values_in_use
from lists.orders import PAGE, Order, page_of
from lists.pages import Page

NEWEST_FIRST = Order(("-created_at", "-pk"))
LIVING = ~Q(state=DeploymentState.DELETED)
OVER = Q(trainer__deleted_at__isnull=False) | Q(trainer__state__in=sorted(FINAL))
ORPHANED = Q(trainer__isnull=False) & OVER & ~Q(state__in=[DeploymentState.DELETING, DeploymentState.DELETED])
"""Whose trainer is over or deleted: nothing makes new weights for it, and it may hold GPUs still."""
MOST_CHOICES, MOST_VERSIONS, MOST_MEMBERS = 200, 1_000, 20


def living_deployments(account: Account) -> QuerySet[Deployment]:
    """The account's, with all that an answer shows; those that were deleted are gone."""
    rows = Deployment.objects.filter(account=account).exclude(state=DeploymentState.DELETED)
    return rows.select_related("account", "owner", "trainer", "connection").defer("log_tail", "events")


class DeploymentRow(NamedTuple):
    """A deployment of a list; `orphaned_at` is when its trainer was over, None where it has none or that runs."""

    deployment: Deployment
    orphaned_at: datetime | None


def deployments_of(member_of: Collection[int]) -> QuerySet[Deployment]:
    """Those of the accounts (primary keys), with what a row of a list shows, and when their trainers were over."""
    newest = Attempt.objects.filter(launch=OuterRef("trainer"), number=OuterRef("trainer__attempt_count"))
    ended = Coalesce(Subquery(newest.values("finished_at")[:1]), F("trainer__deleted_at"))
    rows = Deployment.objects.filter(account__in=list(member_of)).annotate(trainer_over_at=ended)
    return rows.select_related("account", "owner", "trainer", "connection", "shape_version__shape__account").defer(
        "log_tail", "events", "said", "trainer__spec", "trainer__inputs", "trainer__search_text",
        "shape_version__snapshot", "shape_version__launch_fields",
    )  # fmt: skip


def list_deployments(
    member_of: Collection[int], wanted: Q, order: Order = NEWEST_FIRST, cursor: str = "", *, size: int = PAGE
) -> Page[DeploymentRow]:
    """A page of those that are wanted, in that order. Errors: `NoSuchPage`."""
    page: Page[Deployment] = page_of(deployments_of(member_of).filter(wanted), order, cursor, size=size)
    return page.of([DeploymentRow(row, orphaned_at(row)) for row in page.rows])


def trainer_is_over(row: Deployment) -> bool:
    """Whether nothing makes new weights for it any more, though something did."""
    return row.trainer is not None and (row.trainer.deleted_at is not None or row.trainer.state in FINAL)


def orphaned_at(row: Deployment) -> datetime | None:
    """Since when its trainer is gone, of one that `deployments_of` found; None where it is no orphan."""
    if row.state in (DeploymentState.DELETING, DeploymentState.DELETED):
        return None
    return row.trainer_over_at if trainer_is_over(row) else None  # type: ignore[attr-defined]


def set_of(launch: Launch) -> tuple[list[tuple[Launch, Attempt]], list[DeploymentRow]]:
    """What was launched with it and is not deleted: the policy with its references, each with its newest attempt, and
    the deployments that load the policy's weights. Of a reference the set is its policy's.
    """
    policy = launch.reference_of_id or launch.pk
    newest = Attempt.objects.filter(Q(launch=policy) | Q(launch__reference_of=policy, launch__deleted_at=None))
    newest = newest.filter(number=F("launch__attempt_count")).defer("log_tail")
    newest = newest.select_related("launch__account", "launch__connection").order_by("launch_id")
    rows = deployments_of([launch.account_id]).filter(LIVING, trainer=policy).order_by("pk")[:MOST_MEMBERS]
    return [(each.launch, each) for each in newest[:MOST_MEMBERS]], [
        DeploymentRow(row, orphaned_at(row)) for row in rows
    ]


def find_deployment(member_of: Collection[int], uid: uuid.UUID) -> Deployment | None:
    """The deployment, deleted ones too, with its log and events, where it belongs to one of the accounts."""
    found = deployments_of(member_of).filter(uid=uid).defer(None)
    return found.select_related("shape_version__shape__base_model", "trainer__account").first()


def deployed_shapes(account: Account) -> list[TrainingShape]:
    """The shapes that the account has deployments of, for the filter; of very many, those of the newest versions."""
    versions = ShapeVersion.objects.filter(pk__in=_in_use(account, "shape_version_id", MOST_VERSIONS))
    rows = TrainingShape.objects.filter(pk__in=versions.values("shape")).select_related("account")
    return list(rows.order_by("shape_id", "pk")[:MOST_CHOICES])


def used_connections(account: Account) -> list[Connection]:
    """Where deployments of the account run, for the filter."""
    return list(Connection.objects.filter(pk__in=_in_use(account, "connection_id", MOST_CHOICES)))


def _in_use(account: Account, column: str, most: int) -> RawSQL:
    return values_in_use("deployments_deployment", column, "NOT state = 'DELETED'", account=account.pk, most=most)


def holding_on(connection: Connection, account: Account | None = None) -> QuerySet[Deployment]:
    """Those that need the connection, the oldest first; of the account alone where one is given.

    One that is being deleted needs it for as long as it answers: where it is silent nothing more is heard of that.
    """
    needs = LIVING if connection.is_reachable else LIVING & ~Q(state=DeploymentState.DELETING)
    found = Deployment.objects.filter(needs, connection=connection).order_by("created_at", "pk")
    return found if account is None else found.filter(account=account)
