"""Reads of an account's audit log. At 100,000 entries each of them reads an index and little of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from django.db import connection
from django.db.models import QuerySet
from psycopg import sql

from accounts.audit_filters import NEWEST_FIRST
from accounts.audit_verbs import PERSONAL_VERBS
from accounts.models import Account, AuditEntry
from lists.filters import ListQuery
from lists.orders import behind, page_of
from lists.pages import Page

CHUNK = 1_000
MOST_CHOICES = 200

# Postgres has no skip scan before version 18: without the recursion the choices would cost a read of the whole log.
_CHOICES = sql.SQL("""
    WITH RECURSIVE found (value) AS (
        (SELECT {column} FROM accounts_auditentry WHERE account_id = %(account)s ORDER BY {column} LIMIT 1)
        UNION ALL
        SELECT (SELECT {column} FROM accounts_auditentry
                WHERE account_id = %(account)s AND {column} > found.value ORDER BY {column} LIMIT 1)
        FROM found WHERE found.value IS NOT NULL
    )
    SELECT value FROM found WHERE value IS NOT NULL LIMIT %(most)s
""")


def list_entries(account: Account, asked: ListQuery, *, personal: bool, cursor: str = "") -> Page[AuditEntry]:
    """A page of entries, newest first. Errors: `NoSuchPage`.

    `personal` is whether the reader may see what is about persons: sign-ins, and addresses.
    """
    return page_of(_matching(account, asked, personal), NEWEST_FIRST, cursor)


def entries_in_chunks(account: Account, asked: ListQuery, *, personal: bool) -> Iterator[list[AuditEntry]]:
    """All entries, newest first, a thousand at a time: no cursor of the database stays open while a client reads."""
    found = _matching(account, asked, personal).order_by(*NEWEST_FIRST.columns)
    chunk = list(found[:CHUNK])
    while chunk:
        yield chunk
        chunk = list(behind(found, NEWEST_FIRST, chunk[-1])[:CHUNK]) if len(chunk) == CHUNK else []


def choices_of(account: Account, column: Literal["verb", "actor_label"]) -> list[str]:
    """The values that there are, at most two hundred, in order."""
    statement = _CHOICES.format(column=sql.Identifier(column))
    with connection.cursor() as cursor:
        cursor.execute(statement, {"account": account.pk, "most": MOST_CHOICES})
        return [value for (value,) in cursor.fetchall()]


def _matching(account: Account, asked: ListQuery, personal: bool) -> QuerySet[AuditEntry]:
    rows = AuditEntry.objects.filter(account=account)
    if not personal:
        rows = rows.exclude(verb__in=PERSONAL_VERBS).defer("address", "agent")
    return rows.filter(asked.condition_among(rows, account))
