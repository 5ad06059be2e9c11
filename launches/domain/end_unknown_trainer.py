"""End a trainer of which nothing is recorded here."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor, require_manager
from accounts.domain.record import record
from accounts.models import Account
from launches.live.hints import RECONCILE
from launches.models import UnknownTrainer
from queues.hints import hint_on_commit
from wire.errors import NotFound

GONE_SECONDS = 8
"""After which its end is looked for, rather than at the next comparison only."""


@transaction.atomic
def end_unknown_trainer(*, actor: Actor, trainer: UnknownTrainer) -> None:
    """Ask for its end; nothing where that was asked for already. What it had saved stays on the provider.

    Only superusers end one whose account does not exist here. Errors: `NotFound`, `PermissionDenied`.
    """
    account = Account.objects.filter(account_id=trainer.account_name).first()
    if account is not None:
        require_manager(actor, account)
    elif not actor.is_superuser:
        raise NotFound("There is no such trainer, or it has ended.")
    row = UnknownTrainer.objects.select_for_update(of=("self",)).filter(pk=trainer.pk).first()
    if row is None or row.end_requested_at is not None:
        return
    row.end_requested_at, row.end_requested_by = timezone.now(), actor.user
    row.save(update_fields=["end_requested_at", "end_requested_by"])
    record(
        actor=actor,
        verb="end_unknown_trainer",
        target=row.name,
        account=account,
        before={"attempt": row.attempt_number, "state": row.state},
    )
    hint_on_commit(RECONCILE, row.connection_id)
    hint_on_commit(RECONCILE, row.connection_id, delay=GONE_SECONDS)
