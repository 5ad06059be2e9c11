"""Who calls: an API key, as `X-Api-Key` or as `Authorization: Bearer`; both are accepted everywhere."""

from __future__ import annotations

from collections.abc import Callable

from django.db.models.expressions import Combinable
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from accounts.domain.authenticate_key import authenticate_key
from accounts.models import ApiKey, User
from accounts.origins import origin_of
from api.job_keys import reaches

REFUSED = (
    "The API key is unknown, expired or revoked. Make one on the page API keys, and send it as X-Api-Key or as "
    "Authorization: Bearer."
)


class KeyAuthentication(BaseAuthentication):
    """`request.user` is the key's user, `request.auth` the key, with what `beside` makes read in the same query."""

    def __init__(self, beside: Callable[[], Combinable] | None = None) -> None:
        self._beside = beside

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        """The key's user and the key; None without a key. Errors: `AuthenticationFailed`, `PermissionDenied`."""
        secret = key_in(request.headers.get("X-Api-Key"), request.headers.get("Authorization"))
        if secret is None:
            return None
        number = getattr(request, "request_id", "")
        origin, now = origin_of(request), timezone.now()
        key = authenticate_key(secret=secret, now=now, origin=origin, request_id=number, beside=self._beside)
        if key is None:
            raise AuthenticationFailed(REFUSED)
        if key.job and not reaches(request.method or "", request.path, account=key.account.account_id, job=key.job):
            raise PermissionDenied(f"This API key is for the trainer of {key.job} alone. Use a key of your own.")
        return key.user, key

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        """What a 401 asks for."""
        return "Bearer"


def key_in(api_key: str | None, authorization: str | None) -> str | None:
    """The key that the two headers carry, the first of them where both do."""
    if api_key:
        return api_key.strip()
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document names it."""

    target_class = KeyAuthentication
    name = ["ApiKey", "Bearer"]

    def get_security_definition(self, auto_schema: object) -> list[dict[str, str]]:  # noqa: ARG002
        """Both headers."""
        return [
            {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
            {"type": "http", "scheme": "bearer"},
        ]
