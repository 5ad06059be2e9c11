"""Reads of the trainers of which nothing is recorded here, for those who may end them."""

from __future__ import annotations

from django.db.models import QuerySet

from accounts.models import Membership, User
from accounts.roles import Role
from launches.models import UnknownTrainer
from wire.errors import NotFound, PermissionDenied

MOST = 200


def may_see_unknown_trainers(user: User) -> bool:
    """Whether the user is an admin of any account, or a superuser."""
    return user.is_superuser or _administered(user).exists()


def list_unknown_trainers(user: User) -> QuerySet[UnknownTrainer]:
    """Those of the accounts that the user is an admin of; for superusers all, in the order in which they were noticed.

    Errors: `PermissionDenied` for who is an admin of nothing.
    """
    if not may_see_unknown_trainers(user):
        raise PermissionDenied("Only admins see trainers that Slipway does not know: they fill slots that all share.")
    return _visible(user).select_related("end_requested_by")[:MOST]


def count_unknown_trainers(user: User) -> int:
    """How many of them the user sees."""
    return _visible(user).count()


def find_unknown_trainer(user: User, pk: int) -> UnknownTrainer:
    """One of them. Errors: `NotFound`, `PermissionDenied` for a member of its account who is no admin."""
    found = UnknownTrainer.objects.filter(pk=pk).first()
    if found is None or not (user.is_superuser or _memberships(user).filter(account__account_id=found.account_name)):
        raise NotFound("There is no such trainer, or it has ended.")
    return found


def _visible(user: User) -> QuerySet[UnknownTrainer]:
    if user.is_superuser:
        return UnknownTrainer.objects.all()
    return UnknownTrainer.objects.filter(account_name__in=_administered(user).values("account__account_id"))


def _administered(user: User) -> QuerySet[Membership]:
    return _memberships(user).filter(role=Role.ADMIN)


def _memberships(user: User) -> QuerySet[Membership]:
    return Membership.objects.filter(user=user)
