"""Migrations only expand: the release before goes on working beside the tables that this one leaves.

Web processes of two releases run side by side while one replaces the other, and somebody may go back. So a column or a
table is taken away by the release after the one that stopped using it, and a column that is added has a default in the
database. What django-migration-linter sees in SQL is checked; what triggers and data migrations mean is not.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable
from pathlib import Path

import django

from embedded.home import ROOT

SINCE = {
    "accounts": "0009_keys_for_one_job",
    "catalog": "0024_index_lists",
    "connections": "0007_cookbook_checkouts",
    "datasets": "0004_index_lists",
    "deployments": "0011_deployment_indexes",
    "launches": "0030_recipe_run_began_at",
    "publishing": "0005_what_the_engine_gave",
    "pushes": "0001_pushes",
}
"""The last migration of each app before there was the rule."""
CONTRACTS: dict[tuple[str, str], str] = {}
"""Migrations that take away what the release before uses no more, and since when it does not."""


def under_the_rule() -> list[tuple[str, str]]:
    """App and name of our migrations that the rule is for."""
    from django.apps import apps  # noqa: PLC0415 -- there once Django is set up

    folders = {app.label: Path(app.path) for app in apps.get_app_configs()}
    return [
        (label, file.stem)
        for label, folder in sorted(folders.items())
        for file in sorted((folder / "migrations").glob("0*.py"))
        if folder.parent == ROOT and file.stem > SINCE.get(label, "") and (label, file.stem) not in CONTRACTS
    ]


def complaints(names: Iterable[tuple[str, str]]) -> str:
    """What the release before would not survive of these migrations; nothing where it would all of them."""
    from django_migration_linter import MigrationLinter  # noqa: PLC0415 -- it reads settings

    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        linter = MigrationLinter(no_cache=True, quiet=["ok", "ignore", "warning"])
        for name in names:
            linter.lint_migration(linter.migration_loader.disk_migrations[name])
    return said.getvalue().strip()


if __name__ == "__main__":
    django.setup()
    if found := complaints(under_the_rule()):
        print(f"{found}\nWhat is added needs a `db_default` or may be NULL; what is taken away goes one release later")
        print("than its last use, and is named in CONTRACTS of embedded/expanding.py.")
        raise SystemExit(1)
