"""A bucket for tests: moto's server stands in for a third party's storage, which is reached by its wire alone."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from connections.stores import StoreAddress

BUCKET = "models"
_SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request"}  # moto looks no closer
KEY_ID, SECRET = "of-the-tests", "never-shown"


@dataclass(frozen=True)
class FakeStorage:
    """It runs at `url`, and has the bucket."""

    url: str

    @property
    def address(self) -> StoreAddress:
        """What a superuser would say of it."""
        return StoreAddress(f"s3://{BUCKET}/slipway", self.url, "", KEY_ID, SECRET)

    def objects(self) -> list[str]:
        """Keys of all objects."""
        listed = httpx.get(f"{self.url}/{BUCKET}?list-type=2", headers=_SIGNED).text
        return [part.partition("</Key>")[0] for part in listed.split("<Key>")[1:]]

    def content(self, key: str) -> bytes:
        """Of one object."""
        return httpx.get(f"{self.url}/{BUCKET}/{key}", headers=_SIGNED).raise_for_status().content

    def put(self, key: str, content: bytes) -> None:
        """Write one."""
        httpx.put(f"{self.url}/{BUCKET}/{key}", content=content, headers=_SIGNED).raise_for_status()


@contextmanager
def running_storage() -> Iterator[FakeStorage]:
    """For as long as the block lasts."""
    from moto.server import ThreadedMotoServer  # takes most of a second, which a process that runs no such test saves

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server: Any = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        storage = FakeStorage(f"http://{host}:{port}")
        httpx.put(f"{storage.url}/{BUCKET}", headers=_SIGNED).raise_for_status()
        yield storage
    finally:
        server.stop()
