"""Tell whose API key a secret is."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q

from accounts.domain.create_api_key import MARK, hash_secret
from accounts.models import ApiKey, Membership

NOTED_EVERY = timedelta(minutes=1)
"""How exact `last_used_at` is: a key that is used all the time is written once in that time."""
_SECRET = re.compile(re.escape(MARK) + r"[A-Za-z0-9_-]{43}")


def authenticate_key(*, secret: str, now: datetime) -> ApiKey | None:
    """The key with its user and account, and its use noted; None where the secret opens nothing (any more).

    That is: unknown, revoked, expired, of a user who is switched off, or who is no member of the account now.
    The row is found by the hash, so how long it takes tells nothing about a secret that is nearly right.
    """
    if _SECRET.fullmatch(secret) is None:
        return None
    member = Membership.objects.filter(account=OuterRef("account"), user=OuterRef("user"))
    key = (
        ApiKey.objects.filter(Exists(member), secret_hash=hash_secret(secret), revoked_at=None, user__is_active=True)
        .filter(Q(expires_at=None) | Q(expires_at__gt=now))
        .select_related("account", "user")
        .first()
    )
    if key is not None and (key.last_used_at is None or key.last_used_at <= now - NOTED_EVERY):
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
        key.last_used_at = now
    return key
