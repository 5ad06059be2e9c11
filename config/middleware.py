"""Middleware that belongs to no app."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

Respond = Callable[[HttpRequest], HttpResponse]


def request_id(get_response: Respond) -> Respond:
    """Give every request an id: in the log lines, in the audit log, and as X-Request-Id in the answer."""

    def middleware(request: HttpRequest) -> HttpResponse:
        identifier = uuid.uuid4().hex
        request.request_id = identifier  # type: ignore[attr-defined]
        with structlog.contextvars.bound_contextvars(request_id=identifier):
            response = get_response(request)
        response["X-Request-Id"] = identifier
        return response

    return middleware


def vary_on_htmx(get_response: Respond) -> Respond:
    """A URL answers HTMX with a fragment and a browser with a page: caches must keep the two apart."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.get("Content-Type", "").startswith("text/html"):
            patch_vary_headers(response, ["HX-Request", "HX-History-Restore-Request"])
        return response

    return middleware
