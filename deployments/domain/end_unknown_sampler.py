"""End a sampler of which no deployment is here."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor, require_manager
from accounts.domain.record import record
from accounts.models import Account
from deployments.hints import RECONCILE
from deployments.models import UnknownSampler
from queues.hints import hint_on_commit
from wire.errors import NotFound
from wire.names import deployment_name

GONE_SECONDS = 8
"""After which its end is looked for, rather than at the next comparison only."""


@transaction.atomic
def end_unknown_sampler(*, actor: Actor, sampler: UnknownSampler) -> None:
    """Ask for its end, and have nothing kept of it; nothing where that was asked for already.

    Only superusers end one whose account does not exist here. Errors: `NotFound`, `PermissionDenied`.
    """
    account = Account.objects.filter(account_id=sampler.account_name).first()
    if account is not None:
        require_manager(actor, account)
    elif not actor.is_superuser:
        raise NotFound("There is no such sampler, or it has ended.")
    row = UnknownSampler.objects.select_for_update(of=("self",)).filter(pk=sampler.pk).first()
    if row is None or row.end_requested_at is not None:
        return
    row.end_requested_at, row.end_requested_by = timezone.now(), actor.user
    row.save(update_fields=["end_requested_at", "end_requested_by"])
    record(
        actor=actor,
        verb="end_unknown_sampler",
        target=deployment_name(row.account_name, row.job_id),
        account=account,
        before={"start": row.start, "state": row.state},
    )
    hint_on_commit(RECONCILE, row.connection_id)
    hint_on_commit(RECONCILE, row.connection_id, delay=GONE_SECONDS)
