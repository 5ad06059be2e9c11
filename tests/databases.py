"""Databases of their own for the processes that tests start; and how that of the tests is emptied."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
from django.db import connection, transaction
from psycopg import sql

from connections.domain.set_up_connections import set_up_connections

MADE_BY_MIGRATE = {"auth_permission", "django_content_type"}
"""Tables of which nothing is emptied: migrate would make their rows anew, the same ones."""
LARGE_BYTES = 1024 * 1024
"""A file beyond that is made anew. What was deleted or rolled back stays in it, as nothing is vacuumed here: each scan
goes through it, and Postgres would plan later tests by what was there.
"""


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


def empty_tables() -> None:
    """Leave the database as migrate does, after a test that committed.

    Django would empty each table by TRUNCATE, which makes new files of it and of its indexes, and then make every
    permission anew: fifty times the work, as tests leave few rows. Here that is done to tables that have grown.
    """
    tables = sorted(set(connection.introspection.django_table_names(include_views=False)) - MADE_BY_MIGRATE)
    named = [sql.Identifier(table) for table in tables]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # no trigger and no foreign key is asked
        grown = "SELECT relname FROM pg_class WHERE relname = ANY(%s) AND pg_relation_size(oid) > %s"
        cursor.execute(grown, [tables, LARGE_BYTES])
        if large := [sql.Identifier(table) for (table,) in cursor.fetchall()]:
            cursor.execute(sql.SQL("TRUNCATE {} CASCADE").format(sql.SQL(", ").join(large)))
        # As TRUNCATE would, wait for whoever still writes.
        cursor.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(sql.SQL(", ").join(named)))
        cursor.execute(sql.SQL("; ").join(sql.SQL("DELETE FROM {}").format(table) for table in named))
    set_up_connections()
