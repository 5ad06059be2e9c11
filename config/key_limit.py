"""How many requests one API key may send: to the API, and to samplers. In front of everything that serves them.

Counted in each process by itself, by the hash of what is shown, before anybody looks up whose it is: a refusal costs
next to nothing.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.conf import settings

from config.address_limit import AddressLimit
from launches.gateway.headers import secret_in
from wire.status import Code, status_body

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


def limited(application: Application) -> Application:
    """The ASGI application, asked by one key no more in a minute than SLIPWAY_KEY_PER_MINUTE allows, of the API, and
    SLIPWAY_INFERENCE_PER_MINUTE, of samplers. What is more is answered with 429 and Retry-After.
    """
    doors = (
        (("/v1/",), AddressLimit(settings.SLIPWAY_KEY_PER_MINUTE)),
        (("/inference/", "/hot_load/"), AddressLimit(settings.SLIPWAY_INFERENCE_PER_MINUTE)),
    )

    async def front(scope: Message, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        limit = next((limit for prefixes, limit in doors if path.startswith(prefixes)), None)
        secret = secret_in(scope["headers"]) if limit is not None else ""
        if limit is not None and secret:
            seconds = limit.wait(hashlib.sha256(secret.encode()).hexdigest(), time.monotonic())
            if seconds:
                await _refuse(send, limit.per_minute, seconds, is_head=scope["method"] == "HEAD")
                return
        await application(scope, receive, send)

    return front


async def _refuse(send: Send, per_minute: int, seconds: float, *, is_head: bool) -> None:
    pause = math.ceil(seconds)
    sentence = f"This key sent more than {per_minute:,} requests a minute, the limit; repeat it in {pause} s."
    body = json.dumps(status_body(Code.RESOURCE_EXHAUSTED, sentence, reason="RATE_LIMITED")).encode()
    fields = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "retry-after": str(pause),
        "cache-control": "private, no-store",
        "x-content-type-options": "nosniff",
    }
    head = [(name.encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": Code.RESOURCE_EXHAUSTED.http_status, "headers": head})
    await send({"type": "http.response.body", "body": b"" if is_head else body, "more_body": False})
