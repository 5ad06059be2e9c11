"""What every page's navigation shows of the user."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts.middleware import AccountContext
from accounts.roles import Right, allows, publishing_right


def navigation(request: HttpRequest) -> dict[str, Any]:
    """Account, role, memberships and what the role may, lazily: fragments without navigation pay nothing."""
    return {
        "provider": settings.SLIPWAY_OIDC_ISSUER and settings.SLIPWAY_OIDC_NAME,
        "provider_only": settings.SLIPWAY_OIDC_ONLY,
        "active_account": SimpleLazyObject(lambda: request.standing.account),  # type: ignore[attr-defined]
        "role": SimpleLazyObject(lambda: request.standing.role),  # type: ignore[attr-defined]
        "reads_audit": SimpleLazyObject(lambda: allows(request.standing.role, Right.READ_AUDIT)),  # type: ignore[attr-defined]
        "sees_connections": SimpleLazyObject(lambda: _sees_connections(request)),
        "publishes": SimpleLazyObject(lambda: _publishes(request.standing)),  # type: ignore[attr-defined]
        "memberships": SimpleLazyObject(lambda: request.standing.memberships),  # type: ignore[attr-defined]
    }


def _publishes(standing: AccountContext) -> bool:
    return standing.account is not None and allows(standing.role, publishing_right(standing.account.account_id))


def _sees_connections(request: HttpRequest) -> bool:
    standing: AccountContext = request.standing  # type: ignore[attr-defined]
    return bool(getattr(request.user, "is_superuser", False)) or allows(standing.role, Right.SEE_CONNECTIONS)
