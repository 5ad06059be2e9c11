"""Say for how long an account keeps the checkpoints of its deleted launches."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor, require_manager
from accounts.domain.record import record
from accounts.models import Account
from wire.errors import InvalidArgument, Violation

LONGEST_DAYS = 3650


@transaction.atomic
def set_checkpoint_retention(*, actor: Actor, account: Account, days: int | None) -> Account:
    """From the next deletion on; None for what holds anywhere here. What was deleted already keeps its time.

    Errors: `NotFound`, `PermissionDenied` below admin, `InvalidArgument`.
    """
    require_manager(actor, account)
    if days is not None and not 0 <= days <= LONGEST_DAYS:
        words = f"{days} is not between 0 and {LONGEST_DAYS:,} days; 0 removes checkpoints together with the launch."
        raise InvalidArgument([Violation("checkpoint_retention_days", words)])
    before, account.checkpoint_retention_days = account.checkpoint_retention_days, days
    account.save(update_fields=["checkpoint_retention_days"])
    record(
        actor=actor,
        verb="set_checkpoint_retention",
        target=account.name,
        account=account,
        before={"days": before},
        after={"days": days},
    )
    return account
