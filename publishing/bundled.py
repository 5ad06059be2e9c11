"""A newer bundled catalog file as a plan: what it would change, where nobody has decided about it yet."""

from __future__ import annotations

from dataclasses import dataclass

from accounts.actors import Actor, manages
from accounts.models import Account
from catalog.domain.plan_catalog import plan_catalog
from catalog.files.bundled import BundledFile, bundled_files
from catalog.files.plan import Plan
from catalog.files.plan_text import summary
from catalog.files.problems import DocumentError
from catalog.models import AppliedFile
from wire.errors import Refusal


@dataclass(frozen=True)
class BundledOffer:
    """A bundled file that would change the account, and which the actor may apply."""

    account: Account
    file: BundledFile
    plan: Plan

    @property
    def words(self) -> str:
        """How many steps of which kind."""
        return summary(self.plan, done=False)


def offers_for(actor: Actor) -> list[BundledOffer]:
    """What there is to decide about for the actor, in the accounts that they manage. Nothing is written."""
    accounts = Account.objects.filter(account_id__in=bundled_files()).order_by("account_id")
    found = [offer_for(actor, account) for account in accounts if manages(actor, account)]
    return [offer for offer in found if offer]


def offer_for(actor: Actor, account: Account) -> BundledOffer | None:
    """The account's bundled file, where it is newer than the one decided about last and would change something."""
    file = bundled_files().get(account.account_id)
    if file is None or not manages(actor, account):
        return None
    if AppliedFile.objects.filter(account=account, bundled_sha256=file.sha256).exists():
        return None
    try:
        plan = plan_catalog(actor=actor, document=file.document, file=file.sha256, source=file.source, prune=False)
    except (DocumentError, Refusal):  # it does not go with what was made here since, which the review would say, too
        return None
    return BundledOffer(account, file, plan) if plan.steps else None


def applied_file(account: Account) -> AppliedFile | None:
    """Which file the account was last brought to."""
    return AppliedFile.objects.filter(account=account, applied_at__isnull=False).first()
