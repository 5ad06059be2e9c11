"""Which HTTP status a form answers with when the domain refuses."""

from __future__ import annotations

from http import HTTPStatus

from wire.errors import AlreadyExists, Conflict, NotFound, PermissionDenied, Refusal, Unavailable


def status_of(refusal: Refusal) -> int:
    """403, 404, 409 or 503 where that is what it means; else 422: the values, or the moment, are to blame."""
    match refusal:
        case PermissionDenied():
            return HTTPStatus.FORBIDDEN
        case NotFound():
            return HTTPStatus.NOT_FOUND
        case AlreadyExists() | Conflict():
            return HTTPStatus.CONFLICT
        case Unavailable():
            return HTTPStatus.SERVICE_UNAVAILABLE
        case _:
            return HTTPStatus.UNPROCESSABLE_ENTITY
