"""What Django answers where no view could: pages for people, `google.rpc.Status` where programs ask."""

from __future__ import annotations

import re
import sys

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


def is_api(request: HttpRequest) -> bool:
    """Whether a program asks, which reads no pages."""
    return PROGRAMS.match(request.path) is not None
