"""Reads of what does not match: trainers of which nothing is recorded here, and attempts that are not found there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import BigIntegerField, Q, QuerySet

from accounts.actors import Actor, require_manager
from accounts.models import Membership, User
from accounts.roles import Role
from launches.models import Attempt, UnknownTrainer
from lists.prepared import Given, Prepared, counted
from wire.errors import NotFound, PermissionDenied

MOST = 200


def may_see_unknown_trainers(user: User) -> bool:
    """Whether the user is an admin of any account, or a superuser."""
    return user.is_superuser or administered(user).exists()


def list_unknown_trainers(user: User) -> QuerySet[UnknownTrainer]:
    """Those of the accounts that the user is an admin of; for superusers all, in the order in which they were noticed.

    Errors: `PermissionDenied` for who is an admin of nothing.
    """
    if not may_see_unknown_trainers(user):
        raise PermissionDenied("Only admins see trainers that Slipway does not know: they fill slots that all share.")
    return _visible(_narrowed_to(user)).select_related("end_requested_by")[:MOST]


def count_unknown_trainers(user: User) -> int:
    """How many of them the user sees."""
    return _count(_UNKNOWN, user)


def list_missing(user: User) -> QuerySet[Attempt]:
    """Attempts that are not over and that their connection has no word of, the longest first; of the same accounts.

    Either it says that it knows no such job, or it does not answer at all.
    """
    attempts = _missing(_narrowed_to(user)).select_related("launch__account", "launch__owner", "launch__connection")
    return attempts.defer("log_tail", "launch__inputs").order_by("absent_since", "pk")[:MOST]


def count_missing(user: User) -> int:
    """How many of them the user sees."""
    return _count(_NOT_FOUND, user)


def find_missing(actor: Actor, pk: int) -> Attempt:
    """One of them, for who manages its account. Errors: `NotFound`, `PermissionDenied`."""
    rows = Attempt.objects.filter(_MISSING, pk=pk).select_related("launch__account", "launch__connection")
    found = rows.defer("log_tail").first()
    if found is None:
        raise NotFound("There is no such launch, or its connection has answered for it meanwhile.")
    require_manager(actor, found.launch.account)
    return found


_SILENT = Q(launch__connection__unreachable_since__isnull=False) | Q(launch__connection__refused_since__isnull=False)
_MISSING = Q(finished_at=None) & (Q(absent_since__isnull=False) | _SILENT & Q(submitted_at__isnull=False))


def _missing(admin: User | Given | None) -> QuerySet[Attempt]:
    """Of the accounts that somebody is an admin of; all for None."""
    found = Attempt.objects.filter(_MISSING)
    return found if admin is None else found.filter(launch__account__in=administered(admin).values("account"))


def find_unknown_trainer(user: User, pk: int) -> UnknownTrainer:
    """One of them. Errors: `NotFound`, `PermissionDenied` for a member of its account who is no admin."""
    found = UnknownTrainer.objects.filter(pk=pk).first()
    if found is None or not (user.is_superuser or _memberships(user).filter(account__account_id=found.account_name)):
        raise NotFound("There is no such trainer, or it has ended.")
    return found


def _visible(admin: User | Given | None) -> QuerySet[UnknownTrainer]:
    found = UnknownTrainer.objects.all()
    return found if admin is None else found.filter(account_name__in=administered(admin).values("account__account_id"))


def _narrowed_to(user: User) -> User | None:
    """Superusers see those of all accounts."""
    return None if user.is_superuser else user


def administered(user: User | Given) -> QuerySet[Membership]:
    """Where the user is an admin."""
    return _memberships(user).filter(role=Role.ADMIN)


def _memberships(user: User | Given) -> QuerySet[Membership]:
    return Membership.objects.filter(user_id=user.pk if isinstance(user, User) else user)


def _counts(rows: Callable[[Given | None], QuerySet[Any]]) -> tuple[Prepared[int], Prepared[int]]:
    """How many there are in all, and how many an admin sees."""
    return Prepared(lambda: counted(rows(None))), Prepared(lambda: counted(rows(Given("admin", BigIntegerField()))))


def _count(counts: tuple[Prepared[int], Prepared[int]], user: User) -> int:
    in_all, of_admin = counts
    return sum(in_all.rows() if user.is_superuser else of_admin.rows(admin=user.pk))


_UNKNOWN, _NOT_FOUND = _counts(_visible), _counts(_missing)
