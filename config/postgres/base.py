"""What Django looks for in a database backend: `DatabaseWrapper`, which settings name by this package.

Django's own has each request ask the server, before its first query, whether the connection that it was given is
alive, which takes as long as a query. A server that ended a connection has said so on it by then; only one that is gone
without a word has not. And it reads times in Python, to give each the time zone that psycopg has given it by then.
"""

from __future__ import annotations

import functools
import select
import time
from typing import Any

from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from psycopg import Connection
from psycopg.adapt import AdaptersMap
from psycopg.types.datetime import TimestamptzLoader
from psycopg_pool import ConnectionPool

from queues.turns import current_turn

SURE_SECONDS = 1.0
"""How long a connection on which nothing came counts as alive, since it was last asked."""


class PooledConnection(Connection[Any]):
    """A connection that knows when the server last answered on it (monotonic seconds), and whose thread gives its turn
    at computing to another one while it waits for the server.
    """

    answered_at = 0.0

    def wait(self, *args: Any, **kwargs: Any) -> Any:
        """As psycopg's, which all that is asked on it goes through."""
        turn = current_turn()
        if turn is None:
            return super().wait(*args, **kwargs)
        turn.give()
        try:
            return super().wait(*args, **kwargs)
        finally:
            turn.take()


def check_alive(connection: PooledConnection) -> None:
    """Ask the server where it said something unasked, or nothing for a while. Errors: psycopg's where it is gone."""
    now = time.monotonic()
    if now - connection.answered_at > SURE_SECONDS or _has_news(connection):
        ConnectionPool.check_connection(connection)
        connection.answered_at = now


def _has_news(connection: PooledConnection) -> bool:
    """Whether something is there to be read: its end, as a rule, and a word on why."""
    looked_at = select.poll()
    looked_at.register(connection.fileno(), select.POLLIN)
    return bool(looked_at.poll(0))


@functools.cache
def _reading_times_itself(adapters: AdaptersMap) -> AdaptersMap:
    """Django's adapters, but that psycopg's own code reads times, in the session's zone."""
    own = AdaptersMap(adapters)
    own.register_loader("timestamptz", TimestamptzLoader)
    return own


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, but for how the pool looks at its connections, and how times are read."""

    def get_connection_params(self) -> dict[str, Any]:
        """As Django's."""
        params = super().get_connection_params()
        return params | {"context": _reading_times_itself(params["context"])}

    def create_cursor(self, name: str | None = None) -> Any:
        """As Django's, which looks before each cursor whether what reads times has the session's zone, UTC here."""
        if name is None:
            return self.connection.cursor()
        held = self.connection.autocommit  # beyond the statement, where no transaction lasts
        return base.ServerSideCursor(self.connection, name=name, scrollable=False, withhold=held)  # type: ignore[call-arg]

    @property
    def pool(self) -> ConnectionPool[PooledConnection] | None:
        """That of this process; None where there is none."""
        options = self.settings_dict["OPTIONS"].get("pool")
        if not options or self.alias == NO_DB_ALIAS:
            return None
        pools: dict[str, ConnectionPool[PooledConnection]] = self._connection_pools  # type: ignore[attr-defined]
        if self.alias not in pools:
            made = ConnectionPool(
                kwargs=self.get_connection_params() | {"autocommit": True},  # Django sets what it wants by itself
                connection_class=PooledConnection,
                open=False,
                configure=self._configure_connection,  # type: ignore[attr-defined]
                check=check_alive,
                **options,
            )
            pools.setdefault(self.alias, made)
        return pools[self.alias]
