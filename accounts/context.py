"""What every page's navigation shows of the user."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject


def navigation(request: HttpRequest) -> dict[str, Any]:
    """`active_account`, `role` and `memberships`, lazily, so that fragments without navigation pay nothing."""
    return {
        "active_account": SimpleLazyObject(lambda: request.standing.account),  # type: ignore[attr-defined]
        "role": SimpleLazyObject(lambda: request.standing.role),  # type: ignore[attr-defined]
        "memberships": SimpleLazyObject(lambda: request.standing.memberships),  # type: ignore[attr-defined]
    }
