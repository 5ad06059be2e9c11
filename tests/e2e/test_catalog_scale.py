"""The catalog at 100,000 shapes: too slow to fill for the quick tests."""

from __future__ import annotations

import pytest
from django.test import Client

from catalog.filters import CatalogFilters
from catalog.matching import matching_text
from catalog.visibility import listed
from tests.catalog.test_browse import shapes_in, total_in
from tests.catalog.test_query_counts import add_many
from tests.makers import make_account

SHAPES = 100_000


@pytest.mark.django_db
def test_free_text_uses_the_trigram_index_and_counts_stop_at_10_000(client: Client, settings) -> None:  # type: ignore[no-untyped-def]
    settings.SLIPWAY_PUBLIC_CATALOG = True
    make_account(account_id="fireworks")
    add_many(SHAPES)
    for text in ("many-31337", "Many/Many-31337", "Many 31337"):
        plan = listed([]).filter(matching_text(CatalogFilters(q=text))).explain()
        assert "shape_search_trigrams" in plan, plan
    assert shapes_in(client.get("/?q=many-31337").content.decode()) == [f"many-31337-{n}" for n in (1, 2, 3)]
    html = client.get("/").content.decode()
    assert "data-total>10,000+<" in html
    assert len(shapes_in(html)) == 100
    assert total_in(client.get("/?q=many-313").content.decode()) == 3  # a figure is whole: 313 is not 31337
