"""Providers of connections, opened from their rows and kept for as long as the rows stay as they are."""

from __future__ import annotations

import json
from functools import lru_cache

from connections.kinds import KINDS, LOCAL, Opening
from connections.models import Connection
from connections.providers.base import Provider, Retryable
from connections.queries import instance_id
from connections.sealing import Unsealable, unseal

OPENED_AT_MOST = 64


def open_provider(connection: Connection) -> Provider:
    """What speaks to the connection. Errors: `Retryable` where it cannot be used as it stands, in words."""
    kind = KINDS.get(connection.kind)
    if kind is not None and (why := kind.closed_because()):
        raise Retryable(why)
    return _open(connection.kind, json.dumps(connection.config, sort_keys=True), connection.secret)


@lru_cache(OPENED_AT_MOST)
def _open(kind_name: str, config: str, sealed: str) -> Provider:
    kind = KINDS.get(kind_name)
    if kind is None:
        raise Retryable(f"This release knows no connections of the kind {kind_name!r}.")
    read, violations = kind.read(json.loads(config))
    if violations:
        raise Retryable(" ".join(violation.description for violation in violations))
    try:
        return kind.open(Opening(read, unseal(sealed), instance_id()))
    except Unsealable as error:
        raise Retryable(str(error)) from None


def forget_opened() -> None:
    """Open everything anew: for tests that change settings."""
    _open.cache_clear()


def is_local(connection: Connection) -> bool:
    """Whether its trainers are processes of this machine, which end with it."""
    return connection.kind == LOCAL
