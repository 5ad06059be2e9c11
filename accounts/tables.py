"""Whether the database's tables do for this release, and whether a newer one was here: by their migrations."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.core.management import CommandError
from django.db import Error, ProgrammingError, connection
from django.db.migrations.loader import MigrationLoader

from wire.counts import quantity

MIGRATE = "./run manage migrate"


def lacking() -> str:
    """What is missing for this release and what to run, as a sentence; "" where nothing is. Errors: the database's.

    What a newer release has added is no reason not to serve: in an upgrade processes of both run side by side, and
    somebody may go back.
    """
    return _lacking(MigrationLoader(connection))


def _lacking(loader: MigrationLoader) -> str:
    applied = loader.applied_migrations or {}
    missing = [name for name in loader.graph.nodes if name not in applied]
    if not applied:
        return f"Nothing was set up in this database yet: run ./run, or {MIGRATE} for the tables alone."
    return (
        f"The database lacks {quantity(len(missing), 'migration')} of this release: run {MIGRATE}." if missing else ""
    )


def refuse_newer(**_: Any) -> None:
    """Before a migration: leave alone what a newer release has changed already, unless nothing is to be done.

    Errors: `CommandError`.
    """
    loader = MigrationLoader(connection)
    if (newer := _beyond(loader)) and _lacking(loader):
        raise CommandError(newer)


def explain(error: BaseException | None) -> str:
    """The sentence for what the database refused because its tables do not fit; "" for everything else.

    Without a table or a column that it asks for, the release before cannot serve beside a newer one any longer.
    """
    if not isinstance(error, ProgrammingError):
        return ""
    try:
        loader = MigrationLoader(connection)
        return _beyond(loader) or _lacking(loader)
    except Error:
        return ""


def _beyond(loader: MigrationLoader) -> str:
    ours = {config.label for config in apps.get_app_configs()}
    unknown = [
        name for name in loader.applied_migrations or {} if name[0] in ours and name not in loader.disk_migrations
    ]
    if not unknown:
        return ""
    named = ", ".join(f"{app}.{name}" for app, name in sorted(unknown)[:3])
    return f"The database was used by a newer release ({named}): start that one, or restore a backup from before it."
