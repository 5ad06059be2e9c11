"""Keyed hashes: what must be told apart, and what nobody is to read from the database. Pure but for the secret key."""

from __future__ import annotations

import unicodedata

from django.utils.crypto import salted_hmac

from wire.client_address import neighbourhood


def digest_of(purpose: str, *parts: str) -> str:
    """HMAC-SHA256 (hex) under the secret key, another one for every purpose."""
    return salted_hmac(f"slipway.{purpose}", "\0".join(parts), algorithm="sha256").hexdigest()


def digest_of_address(address: str) -> str:
    """Of where the address is: IPv6 addresses of one network are the same."""
    return digest_of("address", neighbourhood(address))


def digest_of_name(typed: str) -> str:
    """Of what was typed as a user name and is none: people type passwords there."""
    return digest_of("unknown-name", unicodedata.normalize("NFKC", typed).casefold())
