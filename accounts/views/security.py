"""How somebody signs in."""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.views import ActivateTOTPView
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.domain.hand_over import is_break_glass
from accounts.models import User
from accounts.requests import SlipwayRequest
from accounts.second_factor import ShowsIt


class SetUpApp(ShowsIt, ActivateTOTPView):  # type: ignore[misc]
    """An app that shows codes."""


@require_safe
@login_required
@never_cache
def security(request: SlipwayRequest) -> HttpResponse:
    """Show it, and what can be changed about it."""
    assert isinstance(request.user, User), "login_required lets nobody else in"
    context: dict[str, Any] = {
        "has_password": request.user.has_usable_password(),
        "is_provided": SocialAccount.objects.filter(user_id=request.user.pk).exists(),
        "factors": {each.type: each for each in Authenticator.objects.filter(user_id=request.user.pk)},
        "asks_for_one": bool(settings.SLIPWAY_MFA_ROLES),
        "roles": " and ".join(settings.SLIPWAY_MFA_ROLES),
        "is_break_glass": is_break_glass(request.user),
    }
    return render(request, "account/security.html", context)


set_up_app = SetUpApp.as_view()
