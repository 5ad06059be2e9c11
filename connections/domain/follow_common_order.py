"""Let an account's launches try connections in the common order again."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor, require
from accounts.domain.record import record
from accounts.models import Account
from accounts.roles import Right
from connections.domain.held import hold_order
from connections.models import PlaceForAccount


@transaction.atomic
def follow_common_order(*, actor: Actor, account: Account) -> None:
    """Forget the account's own order; nothing where it has none.

    Errors: `NotFound`, `PermissionDenied` for all but the account's admins.
    """
    require(actor, account, Right.ORDER_CONNECTIONS)
    hold_order()
    places = PlaceForAccount.objects.filter(account=account)
    own = list(places.order_by("position").values_list("connection__name", flat=True))
    if own:
        places.delete()
        record(actor=actor, verb="follow_common_order", target=account.name, account=account, before={"order": own})
