"""Keyset paging: every shape once, no base model split, at least a hundred a page."""

from __future__ import annotations

import html as markup
import re
from itertools import groupby

import pytest
from django.test import Client

from catalog import shape_queries
from catalog.models import BaseModel, ShapeVersion, TrainingShape
from tests.catalog.test_browse import shapes_in, total_in
from tests.makers import make_account, make_model, make_shape, make_version, new_shape, new_version, save_versions

pytestmark = pytest.mark.usefixtures("public_catalog")


@pytest.fixture
def shapes(db: None) -> dict[str, str]:
    """159 shapes of 26 base models of 1 to 12 shapes; shape id to model id."""
    owner, made = make_account(account_id="fireworks"), []
    for number in range(26):
        model = make_model(account=owner, model_id=f"m{number:02}", position=number // 2, family=f"F{number // 10}")
        for place in range(1 + number % 12):
            shape = new_shape(base_model=model, shape_id=f"s-{(number * 7 + place * 13) % 97:02}-{number}-{place}")
            made.append(new_version(shape=shape, gpus=1 + place % 3, context=1024 * (1 + number % 5)))
    save_versions(made)
    return {version.shape.shape_id: version.shape.base_model.model_id for version in made}


def walk(client: Client, address: str) -> list[list[str]]:
    """All pages from the address on, by their links."""
    pages = []
    while address:
        html = client.get(address).content.decode()
        pages.append(shapes_in(html))
        link = re.search(r'href="([^"]*after=[^"]*)" rel="next"', html)
        address = markup.unescape(link[1]) if link else ""
        assert len(pages) < 20
    return pages


@pytest.mark.parametrize("spare", [0, 3, shape_queries.SPARE])
def test_grouped_pages_hold_whole_models(
    client: Client, shapes: dict[str, str], monkeypatch: pytest.MonkeyPatch, spare: int
) -> None:
    monkeypatch.setattr(shape_queries, "SPARE", spare)
    pages = walk(client, "/")
    assert sorted(shape for page in pages for shape in page) == sorted(shapes)
    assert all(100 <= len(page) < 112 for page in pages[:-1])
    owners = [{shapes[shape] for shape in page} for page in pages]
    assert sum(len(owner) for owner in owners) == 26
    for page in pages:
        assert len(list(groupby(page, key=lambda shape: shapes[shape]))) == len({shapes[shape] for shape in page})


def test_flat_pages_show_every_shape_once_in_order(client: Client, shapes: dict[str, str]) -> None:
    rows = {v.shape.shape_id: v for v in ShapeVersion.objects.select_related("shape")}
    for sort in ("name", "-name", "context", "-context", "gpus", "-gpus"):
        pages = walk(client, f"/?sort={sort}")
        found = [shape for page in pages for shape in page]
        assert sorted(found) == sorted(shapes)
        assert [len(page) for page in pages[:-1]] == [100] * (len(pages) - 1)
        column = {"name": "shape_id", "context": "max_context", "gpus": "gpus"}[sort.removeprefix("-")]
        values = [shape if column == "shape_id" else getattr(rows[shape], column) for shape in found]
        assert values == sorted(values, reverse=sort.startswith("-"))


def test_filters_and_total_stay_on_later_pages(client: Client, shapes: dict[str, str]) -> None:
    first = client.get("/?gpus=2").content.decode()
    second = re.search(r'href="([^"]*after=[^"]*)" rel="next"', first)
    assert second
    later = client.get(markup.unescape(second[1])).content.decode()
    assert total_in(first) == total_in(later)
    assert 'href="/?gpus=2"' in later
    assert "First page" in later


def test_a_page_stays_right_while_shapes_come_and_go(client: Client, shapes: dict[str, str]) -> None:
    html = client.get("/").content.decode()
    link = re.search(r'href="([^"]*after=[^"]*)" rel="next"', html)
    assert link
    seen = shapes_in(html)
    TrainingShape.objects.filter(shape_id=seen[0]).update(display_name="renamed")
    make_version(shape=make_shape(base_model=BaseModel.objects.get(model_id="m00"), shape_id="newcomer"))
    later = shapes_in(client.get(markup.unescape(link[1])).content.decode())
    assert not set(seen) & set(later)
    assert "newcomer" not in later
