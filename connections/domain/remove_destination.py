"""Take a destination away; what lies there stays."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor, require_superuser
from accounts.domain.record import record
from connections.models import Destination


@transaction.atomic
def remove_destination(*, actor: Actor, destination: Destination) -> None:
    """With its credential. What is being pushed there fails. Errors: `PermissionDenied` for all but superusers."""
    require_superuser(actor)
    record(
        actor=actor,
        verb="remove_destination",
        target=destination.resource_name,
        account=None,
        before={"address": destination.address},
    )
    destination.delete()
