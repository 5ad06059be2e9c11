"""The catalog page with shapes that the bundled catalog does not have."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from tests.catalog.test_browse import get, shapes_in
from tests.makers import make_model, make_shape, make_version

pytestmark = pytest.mark.usefixtures("public_catalog")


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
    control = get(client).split('id="facet-context-values"')[1].split("</datalist>")[0]
    assert re.findall(r">([^<]+) \((\d)\)<", control) == [("512", "3"), ("1k", "2"), ("2k", "1")]
    assert shapes_in(get(client, {"context": "1k"})) == ["of-1024", "of-2048"]


def test_no_two_elements_have_one_id_whatever_the_families_are_called(db: None, client: Client) -> None:
    for family in ("Кими", "Квен", "模型", "Gemma", "gemma", "a b", "a-b", "%", "é", "e\u0301"):
        make_version(shape=make_shape(base_model=make_model(family=family)))
    ids = re.findall(r'\sid="([^"]*)"', get(client))
    assert (len(ids), [each for each in ids if " " in each]) == (len(set(ids)), [])


@pytest.mark.parametrize("after", ["9999999~1", "9999999~", "x", "gone~5"])
@pytest.mark.parametrize("sort", ["", "-context"])
def test_a_page_that_is_not_there_any_more_is_the_first_one(db: None, client: Client, after: str, sort: str) -> None:
    make_version(shape=make_shape(shape_id="there"), context=1024)
    stale = after if not sort else after.replace("9999999", "0")
    html = get(client, {"after": stale, "sort": sort})
    assert shapes_in(html) == ["there"]
    assert "The list begins here" in html
    assert "No shape passes" not in html
    assert "First page" not in html


def test_only_reading_is_allowed(db: None, client: Client) -> None:
    assert client.post("/").status_code == 405


@pytest.mark.parametrize("name", ["accounts/fireworks/models/qwen3-8b", "accounts/fireworks/trainingShapes/wanted/"])
def test_a_pasted_resource_name_finds_what_it_names(db: None, client: Client, name: str) -> None:
    make_version(shape=make_shape(shape_id="wanted", base_model=make_model(model_id="qwen3-8b")))
    make_version(shape=make_shape(shape_id="other"))
    assert shapes_in(get(client, {"q": name})) == ["wanted"]
