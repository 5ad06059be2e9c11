"""The bundled catalog, read and planned once in each pytest worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import transaction
from django.db.models import Model
from pytest_django.fixtures import Settings
from pytest_django.plugin import DjangoDbBlocker

from accounts.models import Account, AuditEntry
from catalog.models import CatalogChange, FacetCount

Rows = dict[type[Model], list[Model]]


@pytest.fixture(scope="session")
def _bundled_rows(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Rows:
    """What loading it leaves, by model, in an order in which it can be brought again. The database is as it was."""
    with django_db_blocker.unblock(), transaction.atomic():
        call_command("load_catalog", verbosity=0)
        noted = (CatalogChange, FacetCount)
        catalog = (model for model in apps.get_app_config("catalog").get_models() if model not in noted)
        models: list[type[Model]] = [Account, *catalog, AuditEntry]  # the database notes what is brought
        kept = {model: list(model._default_manager.all()) for model in models}
        transaction.set_rollback(True)
    return kept


@pytest.fixture(scope="module")
def _bundled_for_module(_bundled_rows: Rows, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Those rows in a transaction around all tests of the module, which is rolled back after the last one."""
    with django_db_blocker.unblock(), transaction.atomic():
        for model, rows in _bundled_rows.items():
            model._default_manager.bulk_create(rows)
        yield
        transaction.set_rollback(True)


@pytest.fixture
def bundled(_bundled_for_module: None, db: None) -> None:
    """The 60 bundled shapes; what a test adds is gone after it."""


@pytest.fixture
def public_catalog(settings: Settings) -> None:
    """Whoever is not signed in may browse, too."""
    settings.SLIPWAY_PUBLIC_CATALOG = True
