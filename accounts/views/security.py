"""How somebody signs in."""

from __future__ import annotations

from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.domain.hand_over import is_break_glass
from accounts.models import User
from accounts.requests import SlipwayRequest


@require_safe
@login_required
@never_cache
def security(request: SlipwayRequest) -> HttpResponse:
    """Show it, and what can be changed about it."""
    assert isinstance(request.user, User), "login_required lets nobody else in"
    context: dict[str, Any] = {
        "has_password": request.user.has_usable_password(),
        "is_provided": SocialAccount.objects.filter(user_id=request.user.pk).exists(),
        "is_break_glass": is_break_glass(request.user),
    }
    return render(request, "account/security.html", context)
