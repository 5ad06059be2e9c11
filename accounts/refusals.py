"""Which HTTP status a form answers with when the domain refuses."""

from __future__ import annotations

from http import HTTPStatus

from wire.errors import AlreadyExists, Conflict, NotFound, PermissionDenied, Refusal


def status_of(refusal: Refusal) -> int:
    """403, 404 or 409 where that is what it means; else 422: the values, or the moment, are to blame."""
    match refusal:
        case PermissionDenied():
            return HTTPStatus.FORBIDDEN
        case NotFound():
            return HTTPStatus.NOT_FOUND
        case AlreadyExists() | Conflict():
            return HTTPStatus.CONFLICT
        case _:
            return HTTPStatus.UNPROCESSABLE_ENTITY
