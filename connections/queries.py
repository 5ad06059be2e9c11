"""Reads of connections."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import BigIntegerField, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import JSONObject

from accounts.actors import Actor, require
from accounts.models import Account
from accounts.roles import Right
from connections.models import Connection, CookbookCheckout, Instance, PlaceForAccount
from connections.states import ConnectionState
from lists.prepared import Given, Prepared
from wire.errors import NotFound, PermissionDenied

_CHECKOUT = JSONObject(name="name", path="path", commit="commit", sdk="sdk")


def usable_connections(account: Account | None) -> list[Connection]:
    """Those that the account may use, in the order in which its launches try them, paused ones too.

    Each has the checkouts whose recipes are offered, as `checkouts`: JSON as `official.Checkout` is made of.
    That is the account's own order where it has one, and behind what that has the common one. Of nobody's account (a
    visitor who looks at a form) those that every account may use.
    """
    return _FOR_EVERYONE.rows() if account is None else _FOR_ACCOUNT.rows(account=account.pk)


def _for_everyone() -> QuerySet[Connection, Any]:
    return _with_checkouts().filter(for_everyone=True)


def _for_account(account: int | Given) -> QuerySet[Connection, Any]:
    lent = Connection.accounts.through.objects.filter(account_id=account)
    own = PlaceForAccount.objects.filter(account_id=account, connection=OuterRef("pk"))
    usable = Q(for_everyone=True) | Q(owner_id=account) | Q(pk__in=lent.values("connection_id"))
    placed = _with_checkouts().filter(usable).annotate(own_place=Subquery(own.values("position")))
    return placed.order_by(F("own_place").asc(nulls_last=True), "position", "id")


def _with_checkouts() -> QuerySet[Connection, Any]:
    return living_connections().annotate(checkouts=ArraySubquery(CookbookCheckout.objects.values(json=_CHECKOUT)))


_FOR_EVERYONE: Prepared[Connection] = Prepared(_for_everyone)
_FOR_ACCOUNT: Prepared[Connection] = Prepared(lambda: _for_account(Given("account", BigIntegerField())))


def has_own_order(account: Account) -> bool:
    """Whether the account's launches try connections in an order of its own."""
    return PlaceForAccount.objects.filter(account=account).exists()


def living_connections() -> QuerySet[Connection]:
    """All but the retired ones."""
    return Connection.objects.exclude(state=ConnectionState.RETIRED).order_by("position", "id")


def visible_connections(actor: Actor, account: Account | None) -> QuerySet[Connection]:
    """What the actor sees: superusers all but the retired, admins of the account those that it may use.

    Errors: `PermissionDenied` for everybody else.
    """
    if actor.is_superuser:
        return living_connections()
    if account is None:
        raise PermissionDenied("Only superusers and admins of accounts see where trainers run.")
    return lent_connections(actor, account)


def lent_connections(actor: Actor, account: Account) -> QuerySet[Connection]:
    """Those that the account may use, for its admins. Errors: `NotFound`, `PermissionDenied`."""
    require(actor, account, Right.SEE_CONNECTIONS)
    return _for_account(account.pk)


def find_visible_connection(actor: Actor, account: Account | None, name: str) -> Connection:
    """The one of that name. Errors: `NotFound`, `PermissionDenied`."""
    found = visible_connections(actor, account).filter(name=name).first()
    if found is None:
        raise NotFound(f"There is no connection {name!r} that you can see; somebody may have retired it.")
    return found


def find_connection(name: str) -> Connection | None:
    """The connection of that name, retired ones too."""
    return Connection.objects.filter(name=name).first()


def accounts_that_use(connection: Connection) -> list[Account]:
    """The accounts that it is lent to by name, its owner first."""
    lent = list(connection.accounts.order_by("account_id"))
    return (
        lent if connection.owner is None else [connection.owner, *(each for each in lent if each != connection.owner)]
    )


def doubted_since() -> datetime | None:
    """Since when a superuser has to say which Slipway this is; None where nobody doubts it."""
    return Instance.objects.values_list("doubted_at", flat=True).get()


def instance_id() -> str:
    """The id of this Slipway, made once."""
    return Instance.objects.values_list("id", flat=True).get()
