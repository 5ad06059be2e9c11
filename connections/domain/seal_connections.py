"""Seal every secret again under the first key, so that the others can be taken away."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor, require_superuser
from accounts.domain.record import record
from connections.models import Connection, Destination
from connections.sealing import Unsealable, seal_again


@transaction.atomic
def seal_connections(*, actor: Actor) -> tuple[list[str], list[str]]:
    """The names of those that were sealed again, and of those whose secret no key opens, which stay as they are.

    Destinations, too. Errors: `PermissionDenied` for all but superusers.
    """
    require_superuser(actor)
    sealed, closed = [], []
    rows = [
        row
        for model in (Connection, Destination)
        for row in model.objects.select_for_update(of=("self",)).exclude(secret="").order_by("pk")
    ]
    for row in rows:
        try:
            row.secret = seal_again(row.secret)
        except Unsealable:
            closed.append(row.name)
            continue
        row.save(update_fields=["secret"])
        sealed.append(row.name)
        record(actor=actor, verb="seal_connection", target=row.resource_name, account=None, after={"secret": "sealed"})
    return sealed, closed
