"""Reads of connections."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from accounts.models import Account
from connections.models import Connection, Instance
from connections.states import ConnectionState


def usable_connections(account: Account | None) -> QuerySet[Connection]:
    """Those that the account may use, in the order in which launches try them, paused ones too.

    Of nobody's account (a visitor who looks at a form) those that every account may use.
    """
    lent = Q(for_everyone=True)
    if account is not None:
        lent |= Q(owner=account) | Q(pk__in=account.connections.values("pk"))
    return Connection.objects.filter(lent).exclude(state=ConnectionState.RETIRED).order_by("position", "id")


def living_connections() -> QuerySet[Connection]:
    """All but the retired ones."""
    return Connection.objects.exclude(state=ConnectionState.RETIRED).order_by("position", "id")


def find_connection(name: str) -> Connection | None:
    """The connection of that name, retired ones too."""
    return Connection.objects.filter(name=name).first()


def instance_id() -> str:
    """The id of this Slipway, made once."""
    return Instance.objects.values_list("id", flat=True).get()
