"""What stands before an HTTP face: the token that every request carries, and bodies that end."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from trainer.errors import OperationError
from trainer.sessions import Sessions


class TokenGate:
    """Lets a request through only with the token, as X-Api-Key or as Bearer; calls other than GET count as activity."""

    def __init__(self, app: ASGIApp, token: str, sessions: Sessions, refuse: Callable[[str, int], Response]) -> None:
        self._app = app
        self._token = token.encode()
        self._sessions = sessions
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif not self._is_allowed(dict(scope["headers"])):
            refusal = self._refuse("Send the launch's token as X-Api-Key or as Authorization: Bearer.", 401)
            await refusal(scope, receive, send)
        else:
            if scope["method"] != "GET":
                self._sessions.touch()
            await self._app(scope, receive, send)

    def _is_allowed(self, headers: dict[bytes, bytes]) -> bool:
        scheme, _, bearer = headers.get(b"authorization", b"").partition(b" ")
        bearer = bearer if scheme.lower() == b"bearer" else b""
        # | and not `or`: the time must not tell which of the two was compared.
        return hmac.compare_digest(headers.get(b"x-api-key", b""), self._token) | hmac.compare_digest(
            bearer, self._token
        )


async def read_json(request: Request, limit: int, remedy: str) -> tuple[bytes, dict[str, Any]]:
    """The body, raw and decoded. Raises OperationError: 413 above the limit (bytes), 400 where it is no JSON object.

    NaN and infinity are read, as Python writes them, so that the field that holds one is named.
    """
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise OperationError(f"The body is larger than {limit // 1024**2} MB; {remedy}.", status=413)
        parts.append(part)
    raw = b"".join(parts)
    try:
        body = await asyncio.to_thread(json.loads, raw)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise OperationError(f"The body is not JSON: {error}.") from error
    except ValueError as error:
        raise OperationError(
            "The body is not JSON that can be read: a number in it has thousands of digits."
        ) from error
    except RecursionError as error:
        raise OperationError("The body is not JSON that can be read: it is nested too deeply.") from error
    if not isinstance(body, dict):
        raise OperationError("The body must be one JSON object.")
    return raw, body
