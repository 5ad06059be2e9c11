"""The catalog page with shapes that the bundled catalog does not have."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from tests.catalog.test_browse import get, shapes_in
from tests.makers import make_model, make_shape, make_version


@pytest.fixture(autouse=True)
def public_catalog(settings) -> None:  # type: ignore[no-untyped-def]
    settings.SLIPWAY_PUBLIC_CATALOG = True


def test_a_deprecated_shape_says_so(db: None, client: Client) -> None:
    version = make_version()
    version.deprecated_at = version.published_at
    version.save()
    assert "deprecated" in get(client)


def test_text_is_taken_literally(db: None, client: Client) -> None:
    make_version(shape=make_shape(shape_id="plain", display_name="100% done_now"))
    make_version(shape=make_shape(shape_id="other", display_name="1000 donexnow"))
    assert shapes_in(get(client, {"q": "100%"})) == ["plain"]
    assert shapes_in(get(client, {"q": "done_now"})) == ["plain"]


def test_markup_in_names_is_text(db: None, client: Client) -> None:
    make_version(shape=make_shape(base_model=make_model(title="<script>x</script>", family="<b>F</b>")))
    html = get(client, {"family": "<b>F</b>"})
    assert "<script>x" not in html
    assert "<b>F" not in html


def test_an_empty_catalog_says_how_to_fill_it(db: None, client: Client) -> None:
    assert "load_catalog" in get(client)


def test_contexts_below_1k_are_filtered_by_their_tokens(db: None, client: Client) -> None:
    for tokens in (512, 1024, 2048):
        make_version(shape=make_shape(shape_id=f"of-{tokens}"), context=tokens)
    control = get(client).split('id="facet-context"')[1].split("</select>")[0]
    assert re.findall(r">([^<]+) \((\d)\)<", control) == [("512", "3"), ("1k", "2"), ("2k", "1")]
    assert shapes_in(get(client, {"context": "1k"})) == ["of-1024", "of-2048"]


def test_only_reading_is_allowed(db: None, client: Client) -> None:
    assert client.post("/").status_code == 405


@pytest.mark.parametrize("name", ["accounts/fireworks/models/qwen3-8b", "accounts/fireworks/trainingShapes/wanted/"])
def test_a_pasted_resource_name_finds_what_it_names(db: None, client: Client, name: str) -> None:
    make_version(shape=make_shape(shape_id="wanted", base_model=make_model(model_id="qwen3-8b")))
    make_version(shape=make_shape(shape_id="other"))
    assert shapes_in(get(client, {"q": name})) == ["wanted"]
