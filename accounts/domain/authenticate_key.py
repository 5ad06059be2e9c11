"""Tell whose API key a secret is."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import Any, cast

from django.db import transaction
from django.db.models import DateTimeField, F, OuterRef, Q, QuerySet, Subquery, TextField
from django.db.models.expressions import Combinable

from accounts.actors import Actor, key_actor
from accounts.audit_verbs import PersonalVerb
from accounts.digests import digest_of_address
from accounts.domain.create_api_key import MARK, hash_secret
from accounts.domain.record import record
from accounts.domain.see_address import see_address
from accounts.models import ApiKey, SeenAddress
from accounts.origins import UNKNOWN, Origin
from lists.prepared import Given, Prepared

NOTED_EVERY = timedelta(minutes=1)
"""How exact `last_used_at` is: a key that is used all the time is written once in that time."""
SEEN_EVERY = timedelta(hours=1)
"""The same of the address that it is used from."""


_UNASKED = (
    *("secret_hash", "created_by", "created_at", "revoked_at", "user__password", "user__first_name"),
    *("user__last_name", "user__email", "user__is_staff", "user__date_joined", "user__last_login"),
)
"""What next to no request asks of its key, and a query of its own brings where one does."""


def _keys() -> QuerySet[ApiKey, Any]:
    """Those of the secret that open something, each with what is asked of it."""
    seen_here = SeenAddress.objects.filter(api_key=OuterRef("pk"), digest=Given("here", TextField()))
    keys = ApiKey.objects.filter(
        Q(user__vouched_until=None) | Q(user__vouched_until__gt=Given("now", DateTimeField())),
        secret_hash=Given("secret_hash", TextField()),
        revoked_at=None,
        user__is_active=True,
        account__memberships__user=F("user"),
    )
    return (
        keys.select_related("account", "user")
        .defer(*_UNASKED)
        .annotate(seen_here=Subquery(seen_here.values("seen_at")), role=F("account__memberships__role"))
    )


_KEYS = Prepared(_keys)


@cache
def _keys_beside(read: Callable[[], Combinable]) -> Prepared[Any]:
    return Prepared(lambda: _keys().annotate(beside=read()))


_SECRET = re.compile(re.escape(MARK) + r"[A-Za-z0-9_-]{43}")


def authenticate_key(
    *,
    secret: str,
    now: datetime,
    origin: Origin = UNKNOWN,
    request_id: str = "",
    beside: Callable[[], Combinable] | None = None,
) -> ApiKey | None:
    """The key with its user, account and `role` there, its use noted; None where the secret opens nothing (any more).

    That is: unknown, revoked, expired, of a user who is switched off, who is no member of the account now, or whom the
    identity provider has not vouched for of late.
    What `beside` makes is read in the same query, and is the key's attribute of that name.
    The row is found by the hash, so how long it takes tells nothing about a secret that is nearly right.
    """
    if _SECRET.fullmatch(secret) is None:
        return None
    here = digest_of_address(origin.address)
    keys = _KEYS if beside is None else _keys_beside(beside)
    key = keys.first(secret_hash=hash_secret(secret), now=now, here=here)
    if key is None or (key.expires_at is not None and key.expires_at <= now):
        return None
    if origin.address and (key.seen_here is None or key.seen_here <= now - SEEN_EVERY):
        _see(key, here, now, key_actor(key, request_id=request_id, origin=origin))
    if key.last_used_at is None or key.last_used_at <= now - NOTED_EVERY:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
        key.last_used_at = now
    return cast(ApiKey, key)


@transaction.atomic
def _see(key: ApiKey, digest: str, now: datetime, actor: Actor) -> None:
    """Note from where the key is used, and in the audit log where that is new."""
    if see_address(digest=digest, now=now, api_key=key):
        record(
            actor=actor,
            verb=PersonalVerb.USE_KEY_ELSEWHERE,
            target=key.resource_name,
            account=key.account,
            after={"name": key.name, "user": key.user.get_username(), "prefix": key.prefix},
            reason="from an address where it was not used before",
        )
