"""Which few values a column has among many rows of an account, for a filter to choose from."""

from __future__ import annotations

from django.db.models.expressions import RawSQL

from lists.prepared import Given

_SCAN = """
WITH RECURSIVE used (value) AS (
    (SELECT {column} FROM {table} WHERE account_id = %s AND {among} ORDER BY {column} DESC LIMIT 1)
  UNION ALL
    SELECT (SELECT {column} FROM {table} WHERE account_id = %s AND {among} AND {column} < value
            ORDER BY {column} DESC LIMIT 1)
    FROM used WHERE value IS NOT NULL
)
SELECT value FROM used WHERE value IS NOT NULL LIMIT %s
"""
"""Goes from each value to the next one in the index, so that it reads values and not rows."""


def values_in_use(table: str, column: str, among: str, *, account: int | Given, most: int) -> RawSQL:
    """The greatest of them, as a subquery; the names and the condition are ours, and have an index with the account."""
    scan = _SCAN.format(table=table, column=column, among=among)
    place = account.place if isinstance(account, Given) else account
    return RawSQL(scan, (place, place, most))  # noqa: S611 -- of constants
