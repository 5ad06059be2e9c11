"""What a new Slipway starts with: the shared catalog's account, its own, and the first admin."""

from __future__ import annotations

import secrets

from django.db import connection, transaction

from accounts.actors import SYSTEM
from accounts.domain.add_member import set_role
from accounts.domain.create_account import create_account
from accounts.domain.record import record
from accounts.models import Account, User
from accounts.names import wrong_name
from accounts.passwords import wrong_password
from accounts.roles import Role
from wire.errors import AlreadyExists, InvalidArgument
from wire.names import user_name

FIRST_ACCOUNTS = {"fireworks": "Fireworks", "local": "Local"}
"""As the bundled catalog calls them, so that loading it renames neither."""
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # without those that are mistaken for one another


@transaction.atomic
def setup_accounts(*, username: str, password: str) -> str | None:
    """Make what is missing of the first accounts, and the first admin where there is no superuser.

    Returns the admin's password where one had to be made up ("" was given); it can be read nowhere else.
    Errors: `AlreadyExists` where the admin's name belongs to a user who is no superuser, `InvalidArgument` naming what
    is wrong with the name (`username`) or the password (`password`).
    """
    _one_at_a_time()
    accounts = [
        Account.objects.filter(account_id=account_id).first()
        or create_account(actor=SYSTEM, account_id=account_id, display_name=title)
        for account_id, title in FIRST_ACCOUNTS.items()
    ]
    if User.objects.filter(is_superuser=True).exists():
        return None
    if User.objects.filter(username__iexact=username).exists():
        raise AlreadyExists(
            f"The first admin cannot be {username}: that user exists and is no superuser. Set SLIPWAY_ADMIN_USER."
        )
    chosen = password or new_password()
    if violations := [*wrong_name(username), *wrong_password(User(username=username), chosen)]:
        raise InvalidArgument(violations)
    admin = User.objects.create_superuser(username, password=chosen)
    record(actor=SYSTEM, verb="create_user", target=user_name(admin.get_username()), account=None)
    for account in accounts:
        set_role(actor=SYSTEM, account=account, user=admin, role=Role.ADMIN)
    return None if password else chosen


def _one_at_a_time() -> None:
    """Of two starts at once the second waits here, and then finds everything made. Needs a transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('slipway.setup_accounts'))")


def new_password() -> str:
    """About 79 random bits, in groups that can be typed."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))
