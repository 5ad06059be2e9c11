"""Names that would be taken for somebody else's. Those that were there before the rule stay; superusers see them."""

from __future__ import annotations

from django.db import connection

from accounts.models import Account, User
from wire.errors import Violation
from wire.skeletons import groups_of, look_alike

TAKEN = "There is already a user of that name; choose another."


def wrong_name(username: str) -> list[Violation]:
    """What keeps a new user from having the name: that somebody has it, or one that looks like it. Needs a transaction.

    Of two who choose at once, the second waits for the first.
    """
    _one_at_a_time()
    if User.objects.filter(username__iexact=username).exists():
        return [Violation("username", TAKEN)]
    if other := look_alike(username, User.objects.values_list("username", flat=True)):
        return [Violation("username", f"{username!r} looks like {other!r}, which is a user already; choose another.")]
    return []


def wrong_title(display_name: str, *, besides: Account | None = None) -> list[Violation]:
    """What keeps an account (`besides` the one that is to be renamed) from being called that. Needs a transaction."""
    _one_at_a_time()
    others = Account.objects.exclude(pk=besides.pk) if besides else Account.objects.all()
    if other := look_alike(display_name, others.values_list("display_name", flat=True)):
        sentence = f"{display_name!r} looks like {other!r}, which another account is called; choose another."
        return [Violation("display_name", sentence)]
    return []


def users_alike() -> list[list[str]]:
    """User names that look like another one, in groups."""
    return groups_of(User.objects.values_list("username", flat=True))


def accounts_alike() -> list[list[str]]:
    """Display names of accounts that look like another one, in groups."""
    return groups_of(Account.objects.values_list("display_name", flat=True))


def _one_at_a_time() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('slipway.names'))")
