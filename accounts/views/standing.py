"""Choose the account to work in."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_POST

from accounts.middleware import SESSION_KEY
from accounts.requests import SlipwayRequest, next_page


@require_POST
@login_required
def switch_account(request: SlipwayRequest) -> HttpResponse:
    """Work in the posted account from now on, where the user is a member of it."""
    chosen = request.POST.get("account", "")
    if chosen not in {membership.account.account_id for membership in request.standing.memberships}:
        raise Http404(f"There is no account {chosen!r} that you are a member of.")
    request.session[SESSION_KEY] = chosen
    return HttpResponseRedirect(next_page(request))
