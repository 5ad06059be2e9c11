"""What every page's navigation shows of the user."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts.frame import Frame


def navigation(request: HttpRequest) -> dict[str, Any]:
    """The frame, and for what stands in it account, role and what that may, lazily: fragments pay nothing for it."""
    frame = Frame(request)
    return {
        "frame": frame,
        "provider": settings.SLIPWAY_OIDC_ISSUER and settings.SLIPWAY_OIDC_NAME,
        "provider_only": settings.SLIPWAY_OIDC_ONLY,
        "active_account": SimpleLazyObject(lambda: request.standing.account),  # type: ignore[attr-defined]
        "role": SimpleLazyObject(lambda: request.standing.role),  # type: ignore[attr-defined]
        "publishes": SimpleLazyObject(lambda: frame.reader is not None and frame.reader.publishes),
    }
