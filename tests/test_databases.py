"""What a test committed is gone after it, however large it was and whatever keeps it elsewhere."""

from __future__ import annotations

import pytest
from django.db import connection

from catalog.models import ShapeVersion
from connections.models import Connection
from tests import databases
from tests.makers import make_version


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("large", [0, databases.LARGE_BYTES])
def test_tables_are_as_migrate_leaves_them_also_those_that_have_grown(
    large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "LARGE_BYTES", large)
    make_version()
    databases.empty_tables()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_relation_size('catalog_shapeversion')")
        assert (cursor.fetchone()[0] == 0) == (large == 0)
    assert not ShapeVersion.objects.exists()
    assert [each.name for each in Connection.objects.all()] == ["local"]
