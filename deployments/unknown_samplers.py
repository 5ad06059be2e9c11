"""Reads of samplers that a connection runs although no deployment of them is here."""

from __future__ import annotations

from django.db.models import QuerySet

from accounts.models import Membership, User
from deployments.models import UnknownSampler
from launches.unknown_trainers import administered, may_see_unknown_trainers
from wire.errors import NotFound, PermissionDenied

MOST = 200
ADMINS_ALONE = "Only admins see samplers that Slipway does not know: they fill places that all share."


def list_unknown_samplers(user: User) -> QuerySet[UnknownSampler]:
    """Those of the accounts that the user is an admin of; for superusers all, in the order in which they were noticed.

    Errors: `PermissionDenied` for who is an admin of nothing.
    """
    if not may_see_unknown_trainers(user):
        raise PermissionDenied(ADMINS_ALONE)
    return _visible(user).select_related("connection", "end_requested_by")[:MOST]


def count_unknown_samplers(user: User) -> int:
    """How many of them the user sees."""
    return _visible(user).count()


def find_unknown_sampler(user: User, pk: int) -> UnknownSampler:
    """One of them. Errors: `NotFound`, `PermissionDenied` for a member of its account who is no admin."""
    found = UnknownSampler.objects.filter(pk=pk).select_related("connection").first()
    mine = Membership.objects.filter(user=user, account__account_id=found.account_name if found else "")
    if found is None or not (user.is_superuser or mine.exists()):
        raise NotFound("There is no such sampler, or it has ended.")
    if not _visible(user).filter(pk=pk).exists():
        raise PermissionDenied(ADMINS_ALONE)
    return found


def _visible(user: User) -> QuerySet[UnknownSampler]:
    if user.is_superuser:
        return UnknownSampler.objects.all()
    return UnknownSampler.objects.filter(account_name__in=administered(user).values("account__account_id"))
