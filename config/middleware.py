"""Middleware that belongs to no app."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import cast

import structlog
from csp.constants import HEADER
from csp.utils import build_policy
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.contrib.messages import get_messages
from django.http import HttpRequest, HttpResponse
from django.middleware.gzip import GZipMiddleware
from django.shortcuts import render, resolve_url
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from django.utils.translation import get_language
from django_htmx.http import HttpResponseClientRedirect

from accounts.refusals import status_of
from config.access import request_id_of
from config.bodies import is_cut_off, is_too_large
from config.errors import crowded, cut_off, is_api, too_large, too_many
from config.load import PROBES, Load, load_in, seconds_to_wait
from wire.errors import Refusal

Respond = Callable[[HttpRequest], HttpResponse]

_TOKENS = re.compile(rb'name="csrfmiddlewaretoken" value="[^"]*'), re.compile(rb'"X-CSRFToken": "[^"]*')
"""Where a page says its CSRF token, which is another text of the same secret in each answer.

Each begins with what it looks for: as one pattern they took 10 ms of a page of the catalog.
"""


def answer_probes_by_any_name(get_response: Respond) -> Respond:
    """Take a probe's host name for our own: who asks whether a process is well calls it by an address, or not at all.

    Nothing in those answers depends on the name. The outermost, because a name that is not ours is refused below.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path in PROBES:
            request.META["HTTP_HOST"] = "localhost"
        return get_response(request)

    return middleware


def restrict_content(get_response: Respond) -> Respond:
    """Say what the browser may load and run: the same for every page, so it is written once."""
    policy = build_policy()

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault(HEADER, policy)
        return response

    return middleware


def request_id(get_response: Respond) -> Respond:
    """Show every request's id: in the log lines, in the audit log, and as X-Request-Id in the answer."""

    def middleware(request: HttpRequest) -> HttpResponse:
        identifier = request_id_of(request)
        request.request_id = identifier  # type: ignore[attr-defined]
        with structlog.contextvars.bound_contextvars(request_id=identifier):
            response = get_response(request)
        response["X-Request-Id"] = identifier
        return response

    return middleware


def compress(get_response: Respond) -> Respond:
    """Send what is larger than a few lines compressed to whoever takes that; not what streams, whose bytes are counted.

    What an answer repeats of its request cannot be guessed from its length: Django adds noise to that, and its CSRF
    tokens are another text in each answer.
    """
    squeeze = GZipMiddleware(get_response).process_response

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        return response if response.streaming else cast("HttpResponse", squeeze(request, response))

    return middleware


def keep_answers_private(get_response: Respond) -> Respond:
    """Let nobody store what a key was shown: to a cache that is shared, X-Api-Key is a header like any other."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if is_api(request):
            patch_cache_control(response, private=True, no_store=True)
        return response

    return middleware


def answer_unchanged(get_response: Respond) -> Respond:
    """Answer a browser that has the page as it is now with 304 and no body, which is then not compressed either.

    A page is as it was where its text is, in that language, and the secret of its CSRF tokens: with another secret the
    forms of the kept page would be refused, and every session has another one. What says a message says it once.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if not _may_be_kept(request, response):
            return response
        patch_vary_headers(response, ["Cookie", "Accept-Encoding"])
        content = functools.reduce(lambda text, token: token.sub(b"", text), _TOKENS, response.content)
        told = hashlib.blake2b(content, digest_size=16)
        told.update(f"\0{request.META.get('CSRF_COOKIE', '')}\0{get_language()}".encode())
        response["ETag"] = tag = f'W/"{told.hexdigest()}"'
        return cast("HttpResponse", get_conditional_response(request, etag=tag, response=response))

    return middleware


def _may_be_kept(request: HttpRequest, response: HttpResponse) -> bool:
    """Whether it is a page that a browser may keep: none of what streams, is never stored, or says a message."""
    return (
        request.method in ("GET", "HEAD")
        and response.status_code == HTTPStatus.OK
        and not response.streaming
        and response.get("Content-Type", "").startswith("text/html")
        and "no-store" not in response.get("Cache-Control", "")
        and not len(get_messages(request))
    )


def refuse_unread(get_response: Respond) -> Respond:
    """Answer what was refused in front of Django. The innermost, so that the answer has all headers."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if load := load_in(request):
            return crowded(request) if load is Load.CROWDED else too_many(request)
        if is_cut_off(request):
            return cut_off(request)
        return too_large(request) if is_too_large(request) else get_response(request)

    return middleware


def tell_refusals(get_response: Respond) -> Respond:
    """Answer a refusal that no view awaited with its own words, such as of a version that a newer Slipway wrote."""

    def middleware(request: HttpRequest) -> HttpResponse:
        return get_response(request)

    def tell(request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, Refusal):
            return None
        return render(request, "refused.html", {"reason": error.message}, status=status_of(error))

    middleware.process_exception = tell  # type: ignore[attr-defined]
    return middleware


def limit_strangers(get_response: Respond) -> Respond:
    """Hold who shows a session of nobody to the limit of those who show none, which stands in front of Django."""

    def middleware(request: HttpRequest) -> HttpResponse:
        asks_for_a_page = request.path not in PROBES and not is_api(request)
        shows_one = asks_for_a_page and settings.SESSION_COOKIE_NAME in request.COOKIES
        if shows_one and not request.user.is_authenticated and (seconds := seconds_to_wait(request)):
            return too_many(request, seconds)
        return get_response(request)

    return middleware


def read_as_utf8(get_response: Respond) -> Respond:
    """Read parameters and forms as UTF-8, whatever charset the request names: a form has no other one.

    Django would refuse some charsets inside of its own error pages, and fail at others that decode no text.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        request.encoding = "utf-8"
        return get_response(request)

    return middleware


def sign_in_as_a_page(get_response: Respond) -> Respond:
    """Where a fragment's answer is to sign in, let the browser go there and come back to the page that it is on.

    HTMX would follow the redirect by itself and put the sign-in form in the place of the fragment.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if not request.htmx or not response.has_header("Location"):  # type: ignore[attr-defined]
            return response
        sign_in = resolve_url(settings.LOGIN_URL)
        if response["Location"].partition("?")[0] == sign_in:
            page = request.htmx.current_url_abs_path or "/"  # type: ignore[attr-defined]
            return HttpResponseClientRedirect(redirect_to_login(page, sign_in).url)
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
