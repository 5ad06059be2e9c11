"""Decide that a newer bundled catalog file is not for an account."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor, require_manager
from accounts.domain.record import record
from accounts.models import Account
from catalog.files.bundled import bundled_files
from catalog.models import AppliedFile
from wire.errors import Conflict, NotFound


@transaction.atomic
def dismiss_bundled(*, actor: Actor, account: Account, sha256: str) -> None:
    """Offer the bundled file of these bytes no more; a later one is offered again.

    Errors: `NotFound`, `PermissionDenied`; `Conflict` where the bundled file is another one.
    """
    require_manager(actor, account)
    bundled = bundled_files().get(account.account_id)
    if bundled is None:
        raise NotFound(f"No catalog file of {account} comes with Slipway.")
    if bundled.sha256 != sha256:
        raise Conflict("Another catalog file comes with Slipway by now. Look at what it would change, and decide.")
    AppliedFile.objects.update_or_create(account=account, defaults={"bundled_sha256": sha256})
    record(actor=actor, verb="dismiss_bundled", target=account.name, account=account, after={"file": sha256})
