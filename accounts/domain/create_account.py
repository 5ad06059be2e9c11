"""Make an account."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from accounts.actors import Actor
from accounts.domain.record import record
from accounts.models import Account
from wire.errors import AlreadyExists, InvalidArgument, PermissionDenied, Violation
from wire.names import ID_RULE, is_id


@transaction.atomic
def create_account(*, actor: Actor, account_id: str, display_name: str) -> Account:
    """Make an account without members.

    Errors: `PermissionDenied` for anybody but Slipway and superusers, `InvalidArgument`, `AlreadyExists`.
    """
    if actor.user is not None and not actor.is_superuser:
        raise PermissionDenied("Only superusers make accounts.")
    if not is_id(account_id):
        raise InvalidArgument([Violation("account_id", f"{account_id!r} is no account id: {ID_RULE}.")])
    try:
        with transaction.atomic():
            account = Account.objects.create(account_id=account_id, display_name=display_name)
    except IntegrityError:
        raise AlreadyExists(f"There is already an account {account_id}.") from None
    record(actor=actor, verb="create_account", target=account.name, account=account)
    return account
