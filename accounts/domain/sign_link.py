"""Links that open one thing for some minutes, for whoever has them: signed, and no more than who made them may do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.signing import BadSignature, TimestampSigner
from django.db.models import Q

from accounts.actors import Actor, key_actor
from accounts.models import ApiKey
from accounts.origins import UNKNOWN, Origin

_SALT = "slipway.signed_link"


@dataclass(frozen=True)
class OpenedLink:
    """Whom a link acts for, and what it opens."""

    actor: Actor
    target: tuple[str, ...]


def sign_link(*, key: ApiKey, target: tuple[str, ...]) -> str:
    """The token of a link, which acts for the key: in its one account, within its scope, until it is revoked."""
    return _signer().sign_object([key.pk, key.account_id, *target])


def open_link(
    *, token: str, now: datetime, lasts: timedelta, origin: Origin = UNKNOWN, request_id: str = ""
) -> OpenedLink | None:
    """What the token opens; None where that is nothing (any more)."""
    try:
        key_pk, account_pk, *target = _signer().unsign_object(token, max_age=lasts)
    except BadSignature:
        return None
    usable = Q(expires_at=None) | Q(expires_at__gt=now)
    keys = ApiKey.objects.filter(usable, pk=key_pk, account=account_pk, revoked_at=None)
    key = keys.select_related("account", "user").first()
    if key is None:
        return None
    return OpenedLink(key_actor(key, request_id=request_id, origin=origin), tuple(map(str, target)))


def _signer() -> TimestampSigner:
    return TimestampSigner(salt=_SALT, sep=".")
