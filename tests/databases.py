"""Databases of their own for the processes that tests start."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
from psycopg import sql


@contextmanager
def new_database(name: str, *, tables: bool = False) -> Iterator[str]:
    """The address of a new database, empty or with the tables of this release; it is dropped afterwards.

    Without `./run test` nobody has made the tables yet, and whoever uses the database makes them.
    """
    given = os.environ["DATABASE_URL"]
    with psycopg.connect(given, autocommit=True) as connection:
        template = (os.environ.get("SLIPWAY_TEST_TABLES") if tables else None) or "template1"
        made_from = map(sql.Identifier, (name, template))
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*made_from))
        try:
            yield urlsplit(given)._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
