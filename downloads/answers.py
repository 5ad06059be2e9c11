"""The answer to a request for a download: all of it, a part, that it is the same as before, or why not.

Source: RFC 9110, sections 13 and 14. An entity tag is a digest of what is downloaded, so it is a strong one.
"""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header

from downloads.contents import Download
from downloads.handover import is_full, leave
from downloads.ranges import NotSatisfiable, read_range
from wire.errors import TooMany

RETRY_SECONDS = 10
_TYPE = "application/octet-stream"
"""Whatever it is: nothing that a trainer wrote is shown as a page of ours."""


def answer_download(request: HttpRequest, download: Download) -> HttpResponseBase:
    """What the request is answered with. Errors: `TooMany`; `AlteredFile` and those of the files' `open`."""
    plain = HttpResponse()
    _headed(plain, download)
    settled = get_conditional_response(request, etag=download.etag, response=plain)
    if settled is not None and settled is not plain:
        return settled  # 304 or 412
    try:
        wanted = _wanted(request, download)
    except NotSatisfiable:
        return _headed(HttpResponse(status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE), download, f"*/{download.size}")
    start, stop = wanted or (0, download.size)
    if is_full():
        raise TooMany("Too many downloads are in progress here; repeat it shortly.", retry_after=RETRY_SECONDS)
    download.check(start, stop)
    answer = _body(request, download, start, stop)
    answer.status_code = HTTPStatus.PARTIAL_CONTENT if wanted else HTTPStatus.OK
    answer["Content-Length"] = str(stop - start)
    return _headed(answer, download, f"{start}-{stop - 1}/{download.size}" if wanted else "")


def gives(request: HttpRequest, answer: HttpResponseBase) -> bool:
    """Whether the answer gives some of it away, and is no question about it."""
    return request.method == "GET" and answer.status_code in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}


def _wanted(request: HttpRequest, download: Download) -> tuple[int, int] | None:
    asked = request.headers.get("Range", "")
    same = request.headers.get("If-Range", download.etag).strip() == download.etag
    return read_range(asked, download.size) if request.method == "GET" and asked and same else None


def _body(request: HttpRequest, download: Download, start: int, stop: int) -> HttpResponseBase:
    if request.method == "HEAD" or start == stop:
        return HttpResponse()
    chunks = download.chunks(start, stop)
    return HttpResponse() if leave(request, chunks) else StreamingHttpResponse(chunks)


def _headed(answer: HttpResponseBase, download: Download, content_range: str = "") -> HttpResponseBase:
    answer["Content-Type"] = _TYPE
    answer["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=download.file_name)
    answer["ETag"], answer["Accept-Ranges"] = download.etag, "bytes"
    answer["Cache-Control"] = "private, no-cache"
    if content_range:
        answer["Content-Range"] = f"bytes {content_range}"
    return answer
