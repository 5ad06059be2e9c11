"""Whoever renumbers everybody's base models does so one at a time."""

from __future__ import annotations

from django.db import connection


def hold_models() -> None:
    """Until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('slipway.apply_catalog'))")
