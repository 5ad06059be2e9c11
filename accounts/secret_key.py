"""Whether the key that signs sessions and tokens is one that nobody guesses."""

from __future__ import annotations

from django.conf import settings

from wire.counts import quantity

CHARACTERS, DIFFERENT = 32, 5
"""What a secret key has at least, and how many of its characters differ from one another."""


def secret_weakness() -> str:
    """How the secret key in force is easily guessed, and what to do, without the key; "" where it is not."""
    key = settings.SECRET_KEY
    if len(key) < CHARACTERS:
        wrong = quantity(len(key), "character")
    elif len(set(key)) < DIFFERENT:
        wrong = f"only {quantity(len(set(key)), 'different character')}"
    else:
        return ""
    return (
        f"SLIPWAY_SECRET_KEY has {wrong}: whoever guesses it signs in as anybody. Give {CHARACTERS} characters "
        f"or more, {DIFFERENT} of them different, such as `openssl rand -hex 32` prints."
    )
