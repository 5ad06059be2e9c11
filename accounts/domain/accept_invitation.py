"""Join an account by an invitation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from accounts.actors import VISITOR, Actor, user_actor
from accounts.domain.add_member import set_role
from accounts.domain.create_invitation import hash_token
from accounts.domain.create_user import create_user
from accounts.domain.record import record
from accounts.models import Invitation, User
from accounts.queries import role_in
from accounts.roles import Role, includes
from wire.errors import FailedPrecondition, NotFound
from wire.names import invitation_name


@dataclass(frozen=True)
class NewUser:
    """What somebody chose who has no user yet."""

    username: str
    password: str


def open_invitation(*, token: str, now: datetime) -> Invitation:
    """The invitation of that token, with its account.

    Errors: `NotFound` for an unknown token, `FailedPrecondition` where it was used or taken back, or has expired.
    """
    return _open(Invitation.objects.all(), token, now)


@transaction.atomic
def accept_invitation(*, token: str, person: User | NewUser, now: datetime, visitor: Actor = VISITOR) -> User:
    """Make the person a member, and a user where they are none. A member's role grows, it never shrinks.

    `visitor` is who asks, as long as nobody knows who that is.

    Errors: `NotFound`, `FailedPrecondition` as in `open_invitation`; `InvalidArgument` as in `create_user`.
    """
    invitation = _open(Invitation.objects.select_for_update(of=("self",)), token, now)
    account, role = invitation.account, Role(invitation.role)
    if isinstance(person, NewUser):
        newcomer = replace(visitor, label=f"an invitation to {account}")
        user = create_user(actor=newcomer, username=person.username, password=person.password, email=invitation.email)
    else:
        user = person
    actor = user_actor(user, request_id=visitor.request_id, origin=visitor.origin)
    held = role_in(user, account)
    if held is None or not includes(held, role):
        set_role(actor=actor, account=account, user=user, role=role)
    invitation.accepted_by, invitation.accepted_at = user, now
    invitation.save(update_fields=["accepted_by", "accepted_at"])
    record(
        actor=actor,
        verb="accept_invitation",
        target=invitation_name(account.account_id, invitation.pk),
        account=account,
        after={"role": role},
    )
    return user


def _open(invitations: QuerySet[Invitation], token: str, now: datetime) -> Invitation:
    invitation = invitations.select_related("account").filter(token_hash=hash_token(token)).first()
    if invitation is None:
        raise NotFound("There is no such invitation. Check that you copied the whole link.")
    if invitation.accepted_at is not None:
        raise FailedPrecondition("This invitation has been used. Sign in, or ask for a new one.")
    if invitation.revoked_at is not None:
        raise FailedPrecondition("This invitation was taken back. Ask for a new one.")
    if invitation.expires_at <= now:
        raise FailedPrecondition("This invitation has expired. Ask for a new one.")
    return invitation
