"""What a request for a download is answered with: whole, a part, unchanged, or why not."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpResponseBase
from django.test import RequestFactory

from downloads import handover
from downloads.answers import answer_download, gives
from downloads.contents import AlteredFile, Download, file_download
from tests.downloads.makers import make_file
from wire.errors import TooMany

CONTENT = b"0123456789"
FILE = make_file("sub/model.safetensors", CONTENT)
WHOLE = file_download(FILE)
TAG = f'"{FILE.sha256}"'


def ask(method: str = "GET", *, download: Download = WHOLE, headers: dict[str, str] | None = None) -> HttpResponseBase:
    return answer_download(RequestFactory().generic(method, "/", headers=headers or {}), download)


def body_of(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else bytes(answer.content)


CASES: dict[str, tuple[dict[str, str], int, bytes, str]] = {
    "all of it": ({}, 200, CONTENT, ""),
    "a part": ({"Range": "bytes=2-4"}, 206, b"234", "bytes 2-4/10"),
    "the end": ({"Range": "bytes=-3"}, 206, b"789", "bytes 7-9/10"),
    "the rest": ({"Range": "bytes=4-"}, 206, b"456789", "bytes 4-9/10"),
    "all of it as a part": ({"Range": "bytes=0-"}, 206, CONTENT, "bytes 0-9/10"),
    "outside": ({"Range": "bytes=10-"}, 416, b"", "bytes */10"),
    "several parts": ({"Range": "bytes=0-1,4-5"}, 200, CONTENT, ""),
    "the rest of the same": ({"Range": "bytes=4-", "If-Range": TAG}, 206, b"456789", "bytes 4-9/10"),
    "the rest of another": ({"Range": "bytes=4-", "If-Range": '"other"'}, 200, CONTENT, ""),
    "outside of another": ({"Range": "bytes=99-", "If-Range": '"other"'}, 200, CONTENT, ""),
    "a weak tag is not the same": ({"Range": "bytes=4-", "If-Range": f"W/{TAG}"}, 200, CONTENT, ""),
    "nor is a time": ({"Range": "bytes=4-", "If-Range": "Thu, 01 Jan 2099 00:00:00 GMT"}, 200, CONTENT, ""),
    "what one has": ({"If-None-Match": TAG}, 304, b"", ""),
    "one of what one has": ({"If-None-Match": f'"other", W/{TAG}'}, 304, b"", ""),
    "whatever one has": ({"If-None-Match": "*"}, 304, b"", ""),
    "not what one has": ({"If-None-Match": '"other"'}, 200, CONTENT, ""),
    "a part of what one has": ({"If-None-Match": TAG, "Range": "bytes=99-"}, 304, b"", ""),
    "only another one": ({"If-Match": '"other"'}, 412, b"", ""),
    "only this one": ({"If-Match": TAG}, 200, CONTENT, ""),
}


@pytest.mark.parametrize("case", CASES)
def test_the_answer_to_a_request(case: str) -> None:
    headers, status, content, content_range = CASES[case]
    answer = ask(headers=headers)
    assert (answer.status_code, body_of(answer)) == (status, content)
    assert answer.headers.get("Content-Range", "") == content_range
    if status != 412:
        assert answer.headers["ETag"] == TAG
    if status in {200, 206}:
        assert answer.headers["Content-Length"] == str(len(content))
        assert answer.headers["Content-Disposition"] == 'attachment; filename="model.safetensors"'
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert "private" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=4-"}, {"Range": "bytes=99-"}])
def test_head_is_answered_with_the_whole_length_and_no_body(headers: dict[str, str]) -> None:
    answer = ask("HEAD", headers=headers)
    assert (answer.status_code, answer.headers["Content-Length"], body_of(answer)) == (200, "10", b"")


def test_an_empty_file_is_answered() -> None:
    answer = ask(download=file_download(make_file(content=b"")))
    assert (answer.status_code, answer.headers["Content-Length"], body_of(answer)) == (200, "0", b"")


@pytest.mark.parametrize("now", [b"", b"longer than it was"])
def test_what_is_not_as_it_was_recorded_is_refused_before_anything_is_sent(now: bytes) -> None:
    with pytest.raises(AlteredFile, match=r"model.safetensors has \d+ bytes; 10 were recorded"):
        ask(download=file_download(make_file(content=CONTENT, now=now)), headers={"Range": "bytes=0-0"})


def test_more_than_are_served_at_a_time_are_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "_open", handover.MOST_OPEN)
    assert ask(headers={"If-None-Match": TAG}).status_code == 304
    with pytest.raises(TooMany, match="repeat it shortly"):
        ask()


@pytest.mark.parametrize(
    ("method", "headers", "is_given"),
    [
        ("GET", {}, True),
        ("GET", {"Range": "bytes=0-"}, True),
        ("GET", {"Range": "bytes=1-"}, True),
        ("GET", {"If-None-Match": TAG}, False),
        ("GET", {"Range": "bytes=10-"}, False),  # past the end
        ("HEAD", {}, False),
    ],
)
def test_what_gives_some_of_it_away(method: str, headers: dict[str, str], is_given: bool) -> None:
    request = RequestFactory().generic(method, "/")
    assert gives(request, ask(method, headers=headers)) is is_given
