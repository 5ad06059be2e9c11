"""What a control plane offers, listed over real sockets: whole, or not at all."""

from __future__ import annotations

import json
import socket
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from connections.providers.catalogs import RemoteCatalog
from connections.providers.control_plane.client import ControlPlaneClient
from connections.providers.control_plane.jobs import Catalogs
from connections.providers.control_plane.offered import list_offered
from connections.providers.control_plane.refusals import RemoteRefusal
from connections.providers.errors import Retryable, Unreachable
from tests.connections.test_control_plane_client import LOOPBACK, answering, server

VERSIONS = "/v1/accounts/local/trainingShapes/-/versions"
SERVING = "/v1/accounts/local/deploymentShapes/-/versions"
MODEL = "accounts/local/models/tiny"
Pages = dict[str, tuple[int, Any]]


def row(shape: str, **facts: Any) -> dict[str, Any]:
    return {
        "name": f"accounts/local/trainingShapes/{shape}/versions/aaaaaaa1",
        "snapshot": {"baseModel": MODEL, "trainerMode": "LORA_TRAINER"},
        "public": True,
        "latestValidated": True,
    } | facts


def listed(pages: Pages, catalogs: dict[str, str] | None = None) -> tuple[RemoteCatalog, list[str]]:
    """What is read off a server that has those pages, by path and page token; and what it was asked for."""
    asked: list[str] = []

    def play(connection: socket.socket, head: str) -> None:
        url = urlsplit(head.split(" ")[1])
        query = parse_qs(url.query)
        asked.append(f"{url.path} {query.get('filter', [''])[0]}".strip())
        token = query.get("pageToken", [""])[0]
        status, said = pages.get(url.path + token, (404, {"code": 5, "message": "No such thing."}))
        answering(json.dumps(said).encode(), f"{status} Said")(connection, head)

    with server(play) as (url, _):
        client = ControlPlaneClient(url, "key", LOOPBACK, 5.0)
        return list_offered(client, Catalogs(catalogs or {"peer": "local"})), asked


def test_all_pages_are_read_and_names_are_those_here() -> None:
    first = {"trainingShapeVersions": [row("a")], "nextPageToken": "2"}
    last = {"trainingShapeVersions": [row("b"), row("old", latestValidated=False), row("hidden", public=False)]}
    model = {"displayName": "Tiny", "baseModelDetails": {"parameterCount": "140000"}}
    catalog, asked = listed({VERSIONS: (200, first), f"{VERSIONS}2": (200, last), f"/v1/{MODEL}": (200, model)})
    assert [(version.name.split("/")[3], version.public) for version in catalog.versions] == [
        ("a", True),
        ("b", True),
        ("hidden", False),
    ]
    assert catalog.accounts == ("peer",)
    assert {version.base_model for version in catalog.versions} == {"accounts/peer/models/tiny"}
    assert [(found.name, found.said) for found in catalog.models] == [("accounts/peer/models/tiny", model)]
    assert asked == [*[f"{VERSIONS} latest_validated=true"] * 2, f"{SERVING} latest_validated=true", f"/v1/{MODEL}"]


def test_deployment_shapes_are_listed_too_and_whoever_has_no_such_list_offers_none() -> None:
    serves = row("s") | {"name": "accounts/local/deploymentShapes/s/versions/aaaaaaa1"}
    trains = row("a", snapshot={"baseModel": MODEL, "deploymentShapeVersion": serves["name"]})
    pages: Pages = {VERSIONS: (200, {"trainingShapeVersions": [trains]})}
    catalog, _ = listed(pages | {SERVING: (200, {"deploymentShapeVersions": [serves]})})
    here = "accounts/peer/deploymentShapes/s/versions/aaaaaaa1"
    assert [version.name for version in catalog.versions][1] == here
    assert catalog.versions[0].snapshot["deploymentShapeVersion"] == here
    for status, code in ((403, 7), (404, 5), (501, 12), (400, 3)):
        catalog, _ = listed(pages | {SERVING: (status, {"code": code, "message": "No."})})
        assert len(catalog.versions) == 1
    with pytest.raises(Unreachable):
        listed(pages | {SERVING: (503, {})})


def test_a_model_that_the_key_may_not_see_keeps_no_shape_away() -> None:
    catalog, _ = listed({VERSIONS: (200, {"trainingShapeVersions": [row("a")]})})
    assert (len(catalog.versions), catalog.models) == (1, ())


def test_a_filter_that_is_not_known_is_done_without() -> None:
    refused = (400, {"code": 3, "message": "Unknown field."})
    pages: Pages = {VERSIONS: refused}
    asked: list[str] = []

    def play(connection: socket.socket, head: str) -> None:
        filtered = "filter=" in head.split(" ")[1]
        if "/trainingShapes/" in head:
            asked.append("filtered" if filtered else "all")
        status, said = pages[VERSIONS] if filtered else (200, {"trainingShapeVersions": []})
        answering(json.dumps(said).encode(), f"{status} Said")(connection, head)

    with server(play) as (url, _):
        catalog = list_offered(ControlPlaneClient(url, "key", LOOPBACK, 5.0), Catalogs({"peer": "local"}))
    assert (catalog.versions, asked) == ((), ["filtered", "all"])


@pytest.mark.parametrize(
    "pages",
    [
        {VERSIONS: (200, {"trainingShapeVersions": [row("a")], "nextPageToken": "2"}), f"{VERSIONS}2": (500, {})},
        {VERSIONS: (200, {"trainingShapeVersions": [row("a")], "nextPageToken": "2"}), f"{VERSIONS}2": (200, "half")},
        {
            VERSIONS: (200, {"trainingShapeVersions": [row("a")], "nextPageToken": "2"}),
            f"{VERSIONS}2": (200, {"trainingShapeVersions": [row("a")], "nextPageToken": "2"}),
        },
        {VERSIONS: (200, {"trainingShapeVersions": [row("a"), "b"]})},
        {VERSIONS: (200, {"trainingShapeVersions": {"a": 1}})},
        {VERSIONS: (200, {"trainingShapeVersions": [row("a")], "nextPageToken": 7})},
        {VERSIONS: (200, {"trainingShapeVersions": [row("a")]}), f"/v1/{MODEL}": (503, {})},
    ],
)
def test_half_an_answer_is_none(pages: Pages) -> None:
    with pytest.raises(Unreachable):
        listed(pages)


def test_a_key_that_may_not_list_is_told() -> None:
    with pytest.raises(RemoteRefusal, match="403"):
        listed({VERSIONS: (403, {"code": 7, "message": "Not yours."})})


def test_a_connection_without_catalogs_says_where_to_write_them() -> None:
    with pytest.raises(Retryable, match="HERE=THERE"):
        list_offered(ControlPlaneClient("http://127.0.0.1:1", "key", LOOPBACK, 5.0), Catalogs({}))
