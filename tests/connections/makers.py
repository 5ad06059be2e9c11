"""Rows of connections for tests."""

from __future__ import annotations

from connections.models import Connection


def local_connection() -> Connection:
    """The connection to this machine, which the set-up makes."""
    return Connection.objects.get(name="local")
