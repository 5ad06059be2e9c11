"""Every refusal of the API in one place: `google.rpc.Status` with the right code and HTTP status."""

from __future__ import annotations

from typing import Any

import structlog
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from api.outages import RETRY_SECONDS, outage
from wire.errors import InvalidArgument, Refusal, TooMany, Violation
from wire.status import Code, status_body

log = structlog.get_logger(__name__)
_CODES: dict[type[exceptions.APIException], Code] = {
    exceptions.NotAuthenticated: Code.UNAUTHENTICATED,
    exceptions.AuthenticationFailed: Code.UNAUTHENTICATED,
    exceptions.PermissionDenied: Code.PERMISSION_DENIED,
    exceptions.NotFound: Code.NOT_FOUND,
    exceptions.MethodNotAllowed: Code.UNIMPLEMENTED,
    exceptions.Throttled: Code.RESOURCE_EXHAUSTED,
}


def refuse(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. None for what is a fault of ours; Django then answers 500."""
    set_rollback()
    answer = _answer(error)
    if answer is not None and isinstance(error, exceptions.APIException):
        for name in ("auth_header", "wait"):
            if value := getattr(error, name, None):
                answer["WWW-Authenticate" if name == "auth_header" else "Retry-After"] = value
    if answer is None:
        request = context.get("request")
        log.error("api.fault", path=getattr(request, "path", ""), error=repr(error))
    return answer


def _answer(error: Exception) -> Response | None:
    if isinstance(error, Refusal):
        code = Code[error.code]
        violations = error.violations if isinstance(error, InvalidArgument) else ()
        body = status_body(code, error.message, reason=error.reason, violations=violations)
        waiting = {"Retry-After": str(error.retry_after)} if isinstance(error, TooMany) else None
        return Response(body, status=code.http_status, headers=waiting)
    if isinstance(error, Http404):
        return Response(status_body(Code.NOT_FOUND, "There is no such thing."), status=404)
    if isinstance(error, exceptions.APIException):
        code = _CODES.get(type(error), Code.INVALID_ARGUMENT)
        return Response(status_body(code, _sentence(error)), status=error.status_code)
    if sentence := outage(error):
        log.warning("api.unavailable", error=str(error))
        waiting = {"Retry-After": str(RETRY_SECONDS)}
        return Response(status_body(Code.UNAVAILABLE, sentence), status=503, headers=waiting)
    return None


def _sentence(error: exceptions.APIException) -> str:
    if isinstance(error, exceptions.NotAuthenticated):
        return "An API key is needed. Send it as X-Api-Key or as Authorization: Bearer."
    if isinstance(error, exceptions.UnsupportedMediaType):
        return f"{error.detail} Send JSON, with the header Content-Type: application/json."
    return str(error.detail)


def invalid(field: str, sentence: str) -> InvalidArgument:
    """One wrong field."""
    return InvalidArgument([Violation(field, sentence)])
