"""The bundled catalog, loaded once for each test module that asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import transaction
from pytest_django.plugin import DjangoDbBlocker


@pytest.fixture(scope="module")
def _bundled_for_module(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Loaded in a transaction around all tests of the module, and rolled back after the last one."""
    with django_db_blocker.unblock(), transaction.atomic():
        call_command("load_catalog", verbosity=0)
        yield
        transaction.set_rollback(True)


@pytest.fixture
def bundled(_bundled_for_module: None, db: None) -> None:
    """The 60 bundled shapes; what a test adds is gone after it."""
