"""Take an invitation back."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.actors import Actor, require_manager
from accounts.domain.record import record
from accounts.models import Invitation
from wire.errors import FailedPrecondition
from wire.names import invitation_name


@transaction.atomic
def revoke_invitation(*, actor: Actor, invitation: Invitation, now: datetime) -> Invitation:
    """From now on its link lets nobody in.

    Errors: `NotFound`, `PermissionDenied`; `FailedPrecondition` where it was used or taken back already.
    """
    account = invitation.account
    require_manager(actor, account)
    locked = Invitation.objects.select_for_update().get(pk=invitation.pk)
    if locked.accepted_at is not None:
        raise FailedPrecondition("This invitation has been used. Remove the member who joined by it instead.")
    if locked.revoked_at is not None:
        raise FailedPrecondition("This invitation was taken back already.")
    locked.revoked_at = now
    locked.save(update_fields=["revoked_at"])
    record(
        actor=actor,
        verb="revoke_invitation",
        target=invitation_name(account.account_id, locked.pk),
        account=account,
        before={"role": locked.role, "username": locked.username},
    )
    return locked
