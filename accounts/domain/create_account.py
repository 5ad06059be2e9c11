"""Make an account."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from accounts.actors import Actor
from accounts.domain.record import record
from accounts.models import DISPLAY_NAME_LENGTH, Account
from accounts.names import wrong_title
from wire.errors import AlreadyExists, InvalidArgument, PermissionDenied, Violation
from wire.names import refuse_id
from wire.texts import unseen_in


@transaction.atomic
def create_account(*, actor: Actor, account_id: str, display_name: str) -> Account:
    """Make an account without members.

    Errors: `PermissionDenied` for anybody but Slipway and superusers, `InvalidArgument`, `AlreadyExists`.
    """
    if actor.user is not None and not actor.is_superuser:
        raise PermissionDenied("Only superusers make accounts.")
    if sentence := refuse_id(account_id, what="account id"):
        raise InvalidArgument([Violation("account_id", f"{sentence}.")])
    taken = AlreadyExists(f"There is already an account {account_id}.")
    if Account.objects.filter(account_id=account_id).exists():
        raise taken  # before its name, which the one that is there has as well where somebody repeats a request
    refuse_display_name(display_name)
    try:
        with transaction.atomic():
            account = Account.objects.create(account_id=account_id, display_name=display_name)
    except IntegrityError:
        raise taken from None
    record(actor=actor, verb="create_account", target=account.name, account=account)
    return account


def refuse_display_name(display_name: str, *, besides: Account | None = None) -> None:
    """Pass where an account (`besides` the one to rename) can be called that. Errors: `InvalidArgument`."""
    if not display_name.strip() or len(display_name) > DISPLAY_NAME_LENGTH or unseen_in(display_name):
        sentence = (
            f"{display_name[:DISPLAY_NAME_LENGTH]!r} is no name: use 1 to {DISPLAY_NAME_LENGTH} visible characters."
        )
        raise InvalidArgument([Violation("display_name", sentence)])
    if violations := wrong_title(display_name, besides=besides):
        raise InvalidArgument(violations)
