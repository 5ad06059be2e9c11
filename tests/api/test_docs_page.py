"""The page /api/docs: it says all that the OpenAPI document says, to everybody, within the content security policy."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.test import Client

from api.docs import objects_of, read_document, resources_of

pytestmark = pytest.mark.django_db


def test_every_operation_parameter_and_field_is_on_the_page(client: Client) -> None:
    page = unescape(client.get("/api/docs").content.decode())
    document = read_document()
    operations = [said for path in document["paths"].values() for said in path.values()]
    shown = [operation for resource in resources_of(document) for operation in resource.operations]
    assert {each.name for each in shown} == {said["operationId"] for said in operations}
    assert len(operations) == page.count("data-operation")
    for said in operations:
        assert f'id="{said["operationId"]}"' in page
        assert said["description"].replace("`", "") in page
        for parameter in said.get("parameters", ()):
            assert f"<code>{parameter['name']}</code>" in page
    for described in objects_of(document):
        section = page.partition(f'id="object-{described.name}"')[2].partition("</section>")[0]
        for field in described.fields:
            assert f"<code>{field.name}</code>" in section


def test_its_links_lead_somewhere(client: Client) -> None:
    page = client.get("/api/docs").content.decode()
    anchors = set(re.findall(r'id="([^"]+)"', page))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= anchors
    assert client.get("/api/openapi.json").status_code == 200


def test_it_brings_no_script_or_style_of_its_own(client: Client) -> None:
    page = client.get("/api/docs")
    assert b"<style" not in page.content
    assert b" style=" not in page.content
    assert not re.search(rb"<script(?![^>]*\bsrc=)", page.content)
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]


def test_it_asks_the_database_nothing(client: Client, django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    client.get("/api/docs")
    with django_assert_num_queries(0):
        client.get("/api/docs")
