"""Invite somebody into an account by a link."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db import transaction

from accounts.actors import Actor, require_manager
from accounts.domain.create_user import wrong_fields
from accounts.domain.record import record
from accounts.models import Account, Invitation, Membership, User
from accounts.roles import Role
from wire.errors import InvalidArgument, Violation
from wire.names import invitation_name

LIFETIME = timedelta(days=7)


@transaction.atomic
def create_invitation(
    *, actor: Actor, account: Account, role: Role, now: datetime, username: str = "", email: str = ""
) -> tuple[Invitation, str]:
    """Make an invitation that can be accepted once within seven days.

    Returns it with its token, which belongs into the link and is stored nowhere. Errors: `NotFound`,
    `PermissionDenied`, `InvalidArgument` where there is a member of that name, or nobody new may be called that.
    """
    require_manager(actor, account)
    if username and Membership.objects.filter(account=account, user__username__iexact=username).exists():
        raise InvalidArgument(
            [Violation("username", f"{username} is a member of {account} already. Change their role instead.")]
        )
    is_new = username and not User.objects.filter(username__iexact=username).exists()
    if is_new and (violations := wrong_fields(User(username=username, email=email))):
        raise InvalidArgument(violations)  # now, and not to whoever follows the link
    token = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        account=account,
        role=role,
        username=username,
        email=email,
        token_hash=hash_token(token),
        created_by=actor.user,
        expires_at=now + LIFETIME,
    )
    record(
        actor=actor,
        verb="create_invitation",
        target=invitation_name(account.account_id, invitation.pk),
        account=account,
        after={"role": role, "username": username, "expiresAt": invitation.expires_at.isoformat()},
    )
    return invitation, token


def hash_token(token: str) -> str:
    """sha256 (hex). The token has 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(token.encode()).hexdigest()
