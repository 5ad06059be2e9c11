"""Give somebody the roles that their groups at the identity provider give, and no others."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from accounts.actors import Actor
from accounts.domain.add_member import lock_membership, set_role
from accounts.domain.record import record
from accounts.domain.remove_member import end_membership
from accounts.groups import makes_superuser, roles_of
from accounts.models import Account, User
from accounts.roles import Role
from wire.names import user_name

_log = logging.getLogger(__name__)


@transaction.atomic
def follow_groups(*, actor: Actor, user: User, groups: Collection[str], now: datetime) -> None:
    """In each account that SLIPWAY_OIDC_ROLES speaks of, what the groups give now; elsewhere all stays as it is.

    The provider has the last word, also on the only admin of an account: superusers appoint another one. For
    SLIPWAY_OIDC_KEY_DAYS from now on the user's API keys open what they are for.
    """
    wanted = roles_of(groups, settings.SLIPWAY_OIDC_ROLES)
    accounts = {account.account_id: account for account in Account.objects.filter(account_id__in=wanted)}
    for account_id in sorted(wanted.keys() - accounts.keys()):
        _log.warning("SLIPWAY_OIDC_ROLES names account %s, which is not there", account_id)
    for account_id, account in sorted(accounts.items()):
        _follow(actor, account, user, wanted[account_id], now)
    superuser = makes_superuser(groups, settings.SLIPWAY_OIDC_ROLES)
    if superuser is not None and superuser != user.is_superuser:
        user.is_superuser = user.is_staff = superuser
        after = {"isSuperuser": superuser}
        record(actor=actor, verb="change_user", target=user_name(user.get_username()), account=None, after=after)
    user.vouched_until = now + timedelta(days=settings.SLIPWAY_OIDC_KEY_DAYS)
    user.save(update_fields=["is_superuser", "is_staff", "vouched_until"])


def _follow(actor: Actor, account: Account, user: User, role: Role | None, now: datetime) -> None:
    if role is not None:
        set_role(actor=actor, account=account, user=user, role=role, leaves_an_admin=False)
    elif membership := lock_membership(account, user):
        end_membership(actor=actor, membership=membership, now=now)
