"""A published catalog file, read from a path or over real sockets: whole, bounded, and without the key."""

from __future__ import annotations

import os
import socket
from functools import partial
from pathlib import Path

import pytest

from connections.providers.catalogs import CatalogFile
from connections.providers.control_plane import published
from connections.providers.control_plane.account import AccountThere
from connections.providers.control_plane.client import ControlPlaneClient
from connections.providers.control_plane.config import read_source
from connections.providers.control_plane.jobs import Catalogs
from connections.providers.control_plane.provider import ControlPlaneProvider
from connections.providers.control_plane.published import read_published
from connections.providers.errors import Retryable, Unreachable
from tests.connections.test_control_plane_client import LOOPBACK, answering, server


def test_the_provider_reads_it_instead_of_lists_and_shows_it_no_key() -> None:
    with server(answering(b"account: far\n", "200 Here")) as (url, heads):
        client = ControlPlaneClient("http://127.0.0.1:1", "the-key", LOOPBACK)
        there = AccountThere(client, "instance01")
        provider = ControlPlaneProvider(there, Catalogs({"peer": "far"}), published=f"{url}/catalogs/far.yaml?raw=1")
        found = provider.list_catalog()
    assert isinstance(found, CatalogFile)
    assert (found.data, found.name_here("accounts/far/models/x")) == (b"account: far\n", "accounts/peer/models/x")
    [head] = heads
    assert head.startswith("GET /catalogs/far.yaml?raw=1 ") and "the-key" not in head and "uthorization" not in head


def test_a_path_is_read_and_anything_but_a_file_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "catalog.yaml"
    file.write_bytes(b"account: far\n")
    assert read_published(str(file), ()) == b"account: far\n"
    os.mkfifo(tmp_path / "pipe")  # waiting for a writer would be for ever
    monkeypatch.setattr(published, "MOST_BYTES", 5)
    for path, words in {file: "more than", tmp_path / "pipe": "no regular file", tmp_path / "none": "No such"}.items():
        with pytest.raises(Retryable, match=words):
            read_published(str(path), ())


def _send(connection: socket.socket, _: str, *, answer: bytes) -> None:
    connection.sendall(answer)


def test_what_is_no_whole_answer_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: https://other.example\r\nContent-Length: 0\r\n\r\n"
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\naccount:"
    for answer, words in {moved: "302.*Redirects are not followed", half: "cannot be reached"}.items():
        play = partial(_send, answer=answer)
        with server(play) as (url, _), pytest.raises(Retryable, match=words):
            read_published(f"{url}/c.yaml", LOOPBACK)
    monkeypatch.setattr(published, "MOST_BYTES", 5)
    with server(answering(b"account: far\n", "200 Here")) as (url, _):
        with pytest.raises(Retryable, match="more than"):
            read_published(f"{url}/c.yaml", LOOPBACK)
        with pytest.raises(Unreachable, match="SLIPWAY_CONNECTION_NETWORKS"):
            read_published(f"{url}/c.yaml", ())


def test_what_may_be_written() -> None:
    for good in ("", "/srv/catalog.yaml", "https://catalog.example:8443/a/b.yaml?x=1", "http://127.0.0.1:80/c.yaml"):
        assert read_source(f" {good} ") == good
    for bad in ("catalog.yaml", "http://catalog.example/c", "https://key@a.example/c", "ftp://a/c", "https://a/ b"):
        with pytest.raises(ValueError, match="use a path on the worker's machine"):
            read_source(bad)
