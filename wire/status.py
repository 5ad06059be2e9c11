"""How an API answers when it refuses: `google.rpc.Status` as JSON, and the HTTP status that goes with its code. Pure.

    {"code": 5, "message": "There is no job ...", "details": [{"@type": "...ErrorInfo", "reason": "NOT_FOUND", ...}]}

Source: google/rpc/code.proto, which gives both the numbers and the mapping to HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from wire.errors import Violation


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


DOMAIN = "slipway"
CUT_OFF = "The request's body breaks off, or its chunks are not well-formed. Send it again, and all of it."
"""What is told where a server reports that no more of a body comes, which may also be because the caller hung up."""
FAULT = "Slipway made a mistake, which its log tells of. Repeat the request later."
"""What is told where the fault is ours."""
_TYPE = "type.googleapis.com/google.rpc."


def status_body(code: Code, message: str, *, reason: str = "", violations: Sequence[Violation] = ()) -> dict[str, Any]:
    """The body of a refusal. `message` is a full sentence for a person; `reason` a word for a program, the code's name
    where there is none; `violations` is every field that is to blame.
    """
    details = [error_info(reason or code.name)]
    if violations:
        fields = [{"field": found.field, "description": found.description} for found in violations]
        details.append({"@type": f"{_TYPE}BadRequest", "fieldViolations": fields})
    return {"code": int(code), "message": message, "details": details}


def error_info(reason: str, **metadata: str) -> dict[str, Any]:
    """A program's word for why something is so, and what else a program should know of it."""
    return {"@type": f"{_TYPE}ErrorInfo", "reason": reason, "domain": DOMAIN, "metadata": metadata}
