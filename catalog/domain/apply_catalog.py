"""Bring what an account offers publicly to what a catalog document says."""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Now

from accounts.actors import Actor
from accounts.domain.record import record
from accounts.models import Account
from catalog.domain.carry_out import STALE, carry_out, lock_catalog
from catalog.domain.plan_catalog import of_today, plan_for
from catalog.files.bundled import bundled_files
from catalog.files.document import Document
from catalog.files.plan import Plan
from catalog.models import AppliedFile
from wire.errors import Conflict

LONGEST_SOURCE = 300


@transaction.atomic
def apply_catalog(
    *,
    actor: Actor,
    document: Document,
    file: str,
    source: str,
    expected: str | None = None,
    prune: bool = True,
    renew: bool = False,
) -> Plan:
    """Do what `plan_catalog` says, all or nothing; with nothing to do nothing is written but which file it was.

    `expected` is the fingerprint of the plan that somebody agreed to. `prune=False` leaves what only
    the account has as it is, and lets a document that is not public publish to members only; `renew` is as there.
    Errors: as in `plan_catalog`; `Conflict` where the plan is another one now, or becomes one while it is done;
    `FailedPrecondition` where a public shape would be superseded by a version that is not.
    """
    there = lock_catalog(document.account_id)
    document = of_today(document)
    plan = plan_for(actor, there, document, file=file, source=source, prune=prune, renew=renew)
    if expected not in (None, plan.fingerprint):
        raise Conflict(STALE)
    if not plan.steps:
        _note_file(there, file, source)
        return plan
    account = carry_out(actor=actor, account=there, document=document, plan=plan, by=f"by file, {file[:12]}")
    _note_file(account, file, source)
    counts = {kind.value: number for kind, number in plan.counts.items() if number}
    record(
        actor=actor,
        verb="apply_catalog",
        target=account.name,
        account=account,
        after={"file": file, "plan": plan.fingerprint, **counts},
    )
    return plan


def _note_file(account: Account | None, file: str, source: str) -> None:
    """Remember which file the account is as. It says nothing of the catalog, so no line of the audit log."""
    if account is None:
        return
    bundled = bundled_files().get(account.account_id)
    facts = {"source": source[-LONGEST_SOURCE:], "sha256": file, "applied_at": Now()}
    if bundled and bundled.sha256 == file:
        facts["bundled_sha256"] = file
    AppliedFile.objects.update_or_create(account=account, defaults=facts)
