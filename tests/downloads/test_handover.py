"""The bytes of a download are sent once Django is done, piece by piece, and break off rather than end early."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpRequest

from downloads import contents, handover
from downloads.contents import AlteredFile, file_download
from downloads.handover import leave, sending_downloads
from tests.downloads.makers import make_file, make_sparse_file

HEAD = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]}
EMPTY = {"type": "http.response.body", "body": b""}
SCOPE = {"type": "http", "path": "/", "headers": []}
Message = dict[str, Any]


class Downloader:
    """Whoever downloads: what they were sent, and until when they are there."""

    def __init__(self, *, gone_after: int | None = None, stalls: bool = False) -> None:
        self.sent: list[Message] = []
        self.length = 0
        self.django_is_done = False
        self._gone = asyncio.Event()
        self._gone_after, self._stalls = gone_after, stalls

    async def receive(self) -> Message:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            assert self.django_is_done
        self.length += len(message.get("body", b""))
        self.sent = [*self.sent, message][-20:]
        if self._stalls and message.get("body"):
            await asyncio.Event().wait()
        if self._gone_after is not None and self.length >= self._gone_after:
            self._gone.set()
        await asyncio.sleep(0)

    def download(self, chunks: Iterator[bytes]) -> None:
        """Ask an application that leaves these to be sent."""

        async def django(scope: Message, receive: Any, send: Callable[[Message], Awaitable[None]]) -> None:
            request = HttpRequest()
            request.scope = scope  # type: ignore[attr-defined]
            assert leave(request, chunks)
            await send(HEAD)
            await send(EMPTY)
            self.django_is_done = True

        async_to_sync(sending_downloads(django))(SCOPE, self.receive, self.send)  # type: ignore[arg-type]

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def has_all(self) -> bool:
        return bool(self.sent) and self.sent[-1].get("more_body") is False


def test_it_comes_behind_the_head_once_django_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "CHUNK_BYTES", 4)
    caller = Downloader()
    caller.download(make_file().chunks(0, 10))
    assert caller.sent[0] == HEAD
    assert [message["body"] for message in caller.sent[1:]] == [b"0123", b"4567", b"89", b""]
    assert caller.has_all
    assert handover._open == 0


def test_what_is_no_download_passes_as_it_is() -> None:
    caller = Downloader()
    caller.django_is_done = True

    async def django(scope: Message, receive: Any, send: Callable[[Message], Awaitable[None]]) -> None:
        await send(HEAD)
        await send(EMPTY)

    async_to_sync(sending_downloads(django))(SCOPE, caller.receive, caller.send)  # type: ignore[arg-type]
    assert caller.sent == [HEAD, EMPTY]


def test_where_nothing_stands_in_front_nothing_is_left() -> None:
    assert not leave(HttpRequest(), iter(()))


def test_an_altered_file_breaks_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "CHUNK_BYTES", 4)
    caller = Downloader()
    with pytest.raises(AlteredFile):
        caller.download(make_file(content=b"0123456789", now=b"012345678X").chunks(0, 10))
    assert caller.body == b"01234567"
    assert not caller.has_all
    assert handover._open == 0


def test_a_caller_who_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "LONGEST_STALL_SECONDS", 0.01)
    caller = Downloader(stalls=True)
    with pytest.raises(TimeoutError):
        caller.download(make_file().chunks(0, 10))
    assert not caller.has_all
    assert handover._open == 0


def test_a_caller_who_hung_up_costs_no_more_reading(tmp_path: Path) -> None:
    caller = Downloader(gone_after=1_000_000)
    caller.download(make_sparse_file(tmp_path / "weights", 10_000_000_000).chunks(0, 10_000_000_000))
    assert 1_000_000 <= caller.length < 20_000_000
    assert not caller.has_all
    assert handover._open == 0


def test_nothing_is_held(tmp_path: Path) -> None:
    size, caller = 100_000_000, Downloader()
    download = file_download(make_sparse_file(tmp_path / "weights", size + 1))
    tracemalloc.start()
    try:
        caller.download(download.chunks(1, size + 1))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caller.length == size
    assert caller.has_all
    assert peak < 25 * contents.CHUNK_BYTES  # the caller keeps the last twenty


def test_nothing_is_given_away_behind_an_answer_that_failed() -> None:
    caller, given = Downloader(), iter([b"weights"])
    failed = {"type": "http.response.start", "status": 503, "headers": []}

    async def django(scope: Message, receive: Any, send: Callable[[Message], Awaitable[None]]) -> None:
        request = HttpRequest()
        request.scope = scope  # type: ignore[attr-defined]
        assert leave(request, given)
        caller.django_is_done = True
        await send(failed)
        await send({"type": "http.response.body", "body": b"refused"})

    async_to_sync(sending_downloads(django))(SCOPE, caller.receive, caller.send)  # type: ignore[arg-type]
    assert caller.sent == [failed, {"type": "http.response.body", "body": b"refused"}]
