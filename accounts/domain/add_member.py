"""Give a user a role in an account."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor, require_manager
from accounts.domain.record import record
from accounts.models import Account, Membership, User
from accounts.roles import Role
from wire.errors import FailedPrecondition
from wire.names import member_name


@transaction.atomic
def add_member(*, actor: Actor, account: Account, user: User, role: Role) -> Membership:
    """Make the user a member of that role, or change the role of a member.

    Errors: `NotFound`, `PermissionDenied`, `FailedPrecondition` where the account would be left without an admin.
    """
    require_manager(actor, account)
    return set_role(actor=actor, account=account, user=user, role=role)


def set_role(*, actor: Actor, account: Account, user: User, role: Role, leaves_an_admin: bool = True) -> Membership:
    """Write the role, whoever asks: for verbs that have made sure of the right. Needs a transaction.

    Errors: `FailedPrecondition` where the account would be left without an admin, unless that may be.
    """
    membership = lock_membership(account, user)
    if membership is None:
        before = None
        membership = Membership(account=account, user=user)
    elif membership.role == role:
        return membership
    else:
        before = {"role": membership.role}
        if leaves_an_admin:
            refuse_to_lose_last_admin(membership)
    membership.role = role
    membership.save()
    record(
        actor=actor,
        verb="add_member",
        target=member_name(account.account_id, user.get_username()),
        account=account,
        before=before,
        after={"role": role},
    )
    return membership


def lock_membership(account: Account, user: User) -> Membership | None:
    """The user's membership, while nobody else changes who is a member of the account. Needs a transaction."""
    Account.objects.select_for_update(no_key=True).get(pk=account.pk)
    return Membership.objects.filter(account=account, user=user).first()


def refuse_to_lose_last_admin(membership: Membership) -> None:
    """Errors: `FailedPrecondition` where this is the account's only admin, those who are switched off not counted."""
    admins = Membership.objects.filter(account=membership.account, role=Role.ADMIN, user__is_active=True)
    if membership.role == Role.ADMIN and not admins.exclude(pk=membership.pk).exists():
        raise FailedPrecondition(
            f"{membership.user} is the only admin of {membership.account}. Make somebody else an admin first."
        )
