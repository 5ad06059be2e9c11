"""Let the catalog here follow what a connection offers."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from accounts.actors import SYSTEM, Actor, require_superuser
from accounts.domain.record import record
from catalog.domain.carry_out import carry_out
from catalog.domain.note_sync import Look, note_sync, tell_look
from catalog.domain.plan_sync import AccountSync, SyncPlan, plan_sync
from catalog.models import Offering, SyncRun, TrainingShape
from catalog.states import SyncOutcome
from catalog.sync.filed import read_offered
from catalog.sync.offers import Offered
from connections.models import Connection
from connections.opened import open_provider
from connections.providers.catalogs import Following, OffersCatalog
from connections.providers.errors import ProviderError
from connections.states import ConnectionState
from wire.counts import quantity
from wire.errors import Conflict, FailedPrecondition, Refusal

REVIEW = "Somebody has to agree to it first: the connection's catalog is followed once it was reviewed."
BROKEN = "Slipway broke while it followed; nothing was changed. Its log says where."
_DONE = (SyncOutcome.APPLIED, SyncOutcome.UNCHANGED)
STALE = "What it offers changed since this plan was made, or what is here did. See what it would do now, and decide."


def sync_catalog(
    *, actor: Actor, connection: Connection, expected: str | None = None, plan_only: bool = False
) -> SyncRun:
    """Ask what it offers and bring the accounts here to that, in one transaction; answers what it came to.

    The difference becomes new versions under the ids that they have there; no version is edited. What is not offered
    any more is deprecated, and not any more once it is offered again. Only what a sync of this connection brought is
    touched, and a line that the rules refuse keeps none of the others waiting. With `plan_only` nothing is done;
    `expected` is the fingerprint of a plan that somebody agreed to, without which a connection that is REVIEWED, or
    of which most is gone at once, gets a plan only. Where it does not answer as a whole, nothing is done: the run is
    FAILED. Errors: `PermissionDenied` for all but superusers, `FailedPrecondition` where it has no catalog.
    """
    require_superuser(actor)
    open_catalog(connection)
    look = Look(connection, timezone.now(), "" if actor.user is None else actor.label)
    return follow_catalog(actor, look, expected=expected, plan_only=plan_only)


def follow_catalog(actor: Actor, look: Look, *, expected: str | None, plan_only: bool) -> SyncRun:
    """The same for a look that began already; whatever refuses it, the run is FAILED and says so.

    Errors: `Conflict` where another worker has taken the look's row since; then nothing is done.
    """
    try:
        require_superuser(actor)
        provider = open_catalog(look.connection)
        tell_look(look, f"Asking {look.connection} what it offers.")
        offered = read_offered(provider.list_catalog(), source=str(look.connection))
        tell_look(look, f"{quantity(offered.count, 'shape')} offered; comparing them with what is here.")
        with transaction.atomic():
            return _follow(actor, look, provider.following, offered, expected=expected, plan_only=plan_only)
    except (ProviderError, Refusal) as error:
        return note_sync(look, outcome=SyncOutcome.FAILED, detail=str(error))
    except Exception:
        note_sync(look, outcome=SyncOutcome.FAILED, detail=BROKEN)
        raise


def open_catalog(connection: Connection) -> OffersCatalog:
    """What tells the connection's catalog. Errors: `FailedPrecondition`, in words."""
    if connection.state == ConnectionState.RETIRED:
        raise FailedPrecondition(f"The connection {connection.name} was retired; only its history is left.")
    try:
        provider = open_provider(connection)
    except ProviderError as error:
        raise FailedPrecondition(f"{connection} cannot be asked. {error}") from None
    if not isinstance(provider, OffersCatalog):
        raise FailedPrecondition(f"{connection} has no catalog of its own: it runs what is here.")
    return provider


def _follow(
    actor: Actor, look: Look, following: Following, offered: Offered, *, expected: str | None, plan_only: bool
) -> SyncRun:
    connection = look.connection
    plan = plan_sync(connection, offered, today=look.began_at.date())
    later = SyncRun.objects.filter(connection=connection, outcome__in=_DONE, began_at__gt=look.began_at)
    if later.exists():
        raise Conflict("Somebody asked later and was done before; nothing was changed.")
    if expected not in (None, plan.fingerprint):
        raise Conflict(STALE)
    held = "" if expected is not None else plan.alarm or (REVIEW if following is Following.REVIEWED else "")
    if plan.fingerprint and (plan_only or held):
        return note_sync(look, outcome=SyncOutcome.PLANNED, plan=plan, detail=held)
    if not plan_only:
        _apply(actor, connection, plan)
    return note_sync(look, outcome=SyncOutcome.APPLIED if plan.fingerprint else SyncOutcome.UNCHANGED, plan=plan)


def _apply(actor: Actor, connection: Connection, plan: SyncPlan) -> None:
    """All steps of all accounts. They are Slipway's own, in whose name nobody has to be a publisher there."""
    acting = replace(SYSTEM, label=f"Sync of {connection}", request_id=actor.request_id)
    now = timezone.now()
    for sync in plan.syncs:
        account = sync.account
        if sync.plan.steps:
            document, by = sync.wanted.document, f"by sync of {connection}"
            account = carry_out(actor=acting, account=account, document=document, plan=sync.plan, by=by)
            record(
                actor=actor,
                verb="sync_catalog",
                target=connection.resource_name,
                account=account,
                after={kind.value: number for kind, number in sync.plan.counts.items() if number},
            )
        if account:
            _note_offerings(connection, sync, now)


def _note_offerings(connection: Connection, sync: AccountSync, now: datetime) -> None:
    """Which shapes the connection offers now, and which no more. A handful of queries."""
    rows = TrainingShape.objects.filter(
        account__account_id=sync.plan.account_id, shape_id__in=(*sync.wanted.offered, *sync.wanted.missing)
    )
    ids = dict(rows.values_list("shape_id", "pk"))
    offered = [ids[shape_id] for shape_id in sync.wanted.offered]
    Offering.objects.bulk_create(
        [Offering(connection=connection, shape_id=pk) for pk in offered], ignore_conflicts=True, batch_size=1_000
    )
    there = Offering.objects.filter(connection=connection)
    there.filter(shape_id__in=offered, missing_since__isnull=False).update(missing_since=None)
    there.filter(shape_id__in=[ids[shape_id] for shape_id in sync.wanted.missing]).update(missing_since=now)
