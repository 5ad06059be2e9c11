"""Secrets of connections at rest: sealed with Fernet under a key that is no part of the database.

Several keys may be given: the first seals, each opens, so a key is rotated by putting a new one in front, sealing
everything again (`manage seal_connections`), and taking the old one away.
"""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class Unsealable(Exception):
    """A sealed secret that none of the keys opens; the message says what to do."""


def seal(secret: str) -> str:
    """The secret as it is stored; nothing stays nothing."""
    return _keys().encrypt(secret.encode()).decode() if secret else ""


def unseal(sealed: str) -> str:
    """The secret. Errors: `Unsealable`."""
    if not sealed:
        return ""
    try:
        return _keys().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Unsealable(
            "Its secret was sealed under a key that SLIPWAY_SEALING_KEYS does not have (any more). Put that key back, "
            "or give the secret again."
        ) from None


def seal_again(sealed: str) -> str:
    """The same secret under the first key. Errors: `Unsealable`."""
    return seal(unseal(sealed))


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.SLIPWAY_SEALING_KEYS])
