"""How an API answers when it refuses: `google.rpc.Status` as JSON, and the HTTP status that goes with its code. Pure.

    {"code": 5, "message": "There is no job ...", "details": []}

Source: google/rpc/code.proto, which gives both the numbers and the mapping to HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any


class Code(IntEnum):
    """The codes that Slipway answers with; the names are those of `Refusal.code`."""

    INVALID_ARGUMENT = 3
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16

    @property
    def http_status(self) -> int:
        """The HTTP status of an answer with this code, where nothing more exact is known."""
        return _HTTP[self]


_HTTP = {
    Code.INVALID_ARGUMENT: 400,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.UNAUTHENTICATED: 401,
}


def status_body(code: Code, message: str, details: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """The body of a refusal; `message` is a full sentence for a person."""
    return {"code": int(code), "message": message, "details": list(details)}
