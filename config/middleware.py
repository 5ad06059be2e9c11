"""Middleware that belongs to no app."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_cache_control, patch_vary_headers

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
    """A URL answers HTMX with a fragment and a browser with a page: caches must keep the two apart.

    And what a session may have changed is that browser's alone, to be asked for again, where the view says nothing.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.get("Content-Type", "").startswith("text/html"):
            patch_vary_headers(response, ["HX-Request", "HX-History-Restore-Request"])
            # The cookie, not the user: asking for that would read the session of pages that need none.
            if settings.SESSION_COOKIE_NAME in request.COOKIES and not response.has_header("Cache-Control"):
                patch_cache_control(response, private=True, no_cache=True)
        return response

    return middleware
