"""What Django answers where no view could: pages for people, `google.rpc.Status` where programs ask."""

from __future__ import annotations

import math
import re
import sys

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import get_template
from django.views import defaults

from accounts.tables import explain
from api.outages import RETRY_SECONDS, outage
from config.bodies import MAX_BODY
from wire.status import CUT_OFF, Code, status_body

PROGRAMS = re.compile(r"/*(?:v1|training|inference|hot_load|api/v1)(?:/|\Z)")
"""Paths where programs ask, whether anything is served there or not: those that an SDK may be told to call here."""


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: a request that was refused before or while it was read."""
    if not is_api(request):
        return defaults.bad_request(request, exception)
    message = "The request cannot be read: its host, its headers or the number of its parameters are not acceptable."
    return JsonResponse(status_body(Code.INVALID_ARGUMENT, message), status=400)


def server_error(request: HttpRequest) -> HttpResponse:
    """500: a fault of ours; 503 where the exception being handled says that the database or the broker is gone, or
    that the tables are not those of this release.
    """
    error = sys.exc_info()[1]
    if sentence := outage(error) or explain(error):
        return _unavailable(request, sentence)
    if not is_api(request):
        return defaults.server_error(request)
    message = "Slipway made a mistake. Repeat the request later; the log has it under this answer's X-Request-Id."
    return JsonResponse(status_body(Code.INTERNAL, message), status=500)


def _unavailable(request: HttpRequest, sentence: str) -> HttpResponse:
    waiting = {"Retry-After": str(RETRY_SECONDS)}
    if is_api(request):
        return JsonResponse(status_body(Code.UNAVAILABLE, sentence), status=503, headers=waiting)
    return HttpResponse(get_template("503.html").render({"sentence": sentence}), status=503, headers=waiting)


def cut_off(request: HttpRequest) -> HttpResponse:
    """400: a body that breaks off."""
    if is_api(request):
        return JsonResponse(status_body(Code.INVALID_ARGUMENT, CUT_OFF), status=400)
    return HttpResponse(get_template("400.html").render({"sentence": CUT_OFF}), status=400)


def too_large(request: HttpRequest) -> HttpResponse:
    """413: more than any request may carry."""
    sentence = f"The request is larger than {MAX_BODY // 1024**2} MiB, the limit. Send less."
    if is_api(request):
        return JsonResponse(status_body(Code.INVALID_ARGUMENT, sentence), status=413)
    return HttpResponse(get_template("413.html").render({"sentence": sentence}), status=413)


CROWDED = "As many requests as are served at once wait already. Repeat this one shortly."


def crowded(request: HttpRequest) -> HttpResponse:
    """503: more than is served at once, and than may wait for that."""
    waiting = {"Retry-After": str(RETRY_SECONDS)}
    if is_api(request):
        return JsonResponse(status_body(Code.UNAVAILABLE, CROWDED), status=503, headers=waiting)
    page = get_template("busy.html").render({"title": "Slipway is busy", "sentence": CROWDED, "status": 503})
    return HttpResponse(page, status=503, headers=waiting)


def too_many(request: HttpRequest, seconds: float = RETRY_SECONDS) -> HttpResponse:
    """429: more from one address than somebody may send who is not known; the next one is served in `seconds`."""
    waiting = {"Retry-After": str(math.ceil(seconds))}
    limit = f"{settings.SLIPWAY_ANONYMOUS_PER_MINUTE:,} requests a minute"
    if is_api(request):
        sentence = f"Without an API key {limit} are served to one address. Send a key, or repeat this one later."
        return JsonResponse(status_body(Code.RESOURCE_EXHAUSTED, sentence), status=429, headers=waiting)
    sentence = f"{limit} are served to one address of readers who are not signed in. Wait a moment, or sign in."
    values = {"title": "That was too often", "sentence": sentence, "status": 429, "sign_in": True}
    return HttpResponse(get_template("busy.html").render(values), status=429, headers=waiting)


def is_api(request: HttpRequest) -> bool:
    """Whether a program asks, which reads no pages."""
    return PROGRAMS.match(request.path) is not None
