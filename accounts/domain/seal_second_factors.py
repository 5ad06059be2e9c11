"""Seal the secrets of second factors again under the first key, so that the others can be taken away."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import decrypt, encrypt
from cryptography.fernet import InvalidToken
from django.db import transaction

from accounts.actors import Actor, require_superuser

_SEALED = {Authenticator.Type.TOTP: "secret", Authenticator.Type.RECOVERY_CODES: "seed"}


@transaction.atomic
def seal_second_factors(*, actor: Actor) -> tuple[int, list[str]]:
    """How many were sealed again, and the users of those that no key opens, which stay as they are.

    Errors: `PermissionDenied` for all but superusers.
    """
    require_superuser(actor)
    sealed, closed = 0, []
    rows = Authenticator.objects.select_for_update(of=("self",)).filter(type__in=_SEALED).select_related("user")
    for row in rows.order_by("pk"):
        name = _SEALED[row.type]
        try:
            row.data[name] = encrypt(decrypt(row.data[name]))
        except InvalidToken:
            closed.append(row.user.get_username())
            continue
        row.save(update_fields=["data"])
        sealed += 1
    return sealed, sorted(set(closed))
