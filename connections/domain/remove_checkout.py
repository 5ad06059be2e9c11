"""Take a checkout's recipes away; the folder stays."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor, require_superuser
from accounts.domain.record import record
from connections.models import CookbookCheckout


@transaction.atomic
def remove_checkout(*, actor: Actor, checkout: CookbookCheckout) -> None:
    """What runs goes on; nothing more is launched with them. Errors: `PermissionDenied` for all but superusers."""
    require_superuser(actor)
    before = {"path": checkout.path, "commit": checkout.commit}
    record(actor=actor, verb="remove_checkout", target=checkout.resource_name, account=None, before=before)
    checkout.delete()
