"""Where a request came from. Whoever asks for a client's address asks here: audit log, throttle, gateway, access."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from wire.client_address import client_address

AGENT_LENGTH = 200


@dataclass(frozen=True)
class Origin:
    """The client's address ("" where it is not known) and what its program calls itself."""

    address: str = ""
    agent: str = ""


UNKNOWN = Origin()


def origin_of(request: HttpRequest) -> Origin:
    """Where a request to Django came from."""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    return _origin(request.META.get("REMOTE_ADDR", ""), [forwarded], request.META.get("HTTP_USER_AGENT", ""))


def origin_in(scope: Mapping[str, Any]) -> Origin:
    """Where a request to an ASGI application came from."""
    fields = [(name.lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    forwarded = [value for name, value in fields if name == b"x-forwarded-for"]
    agent = next((value for name, value in fields if name == b"user-agent"), "")
    return _origin((scope.get("client") or ("",))[0], forwarded, agent)


def _origin(peer: str, forwarded: list[str], agent: str) -> Origin:
    shown = "".join(letter if letter.isprintable() else "?" for letter in agent[:AGENT_LENGTH])
    return Origin(client_address(peer, forwarded, settings.SLIPWAY_PROXIES), shown)
