"""What an account decides for all of its members."""

from __future__ import annotations

from http import HTTPStatus

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.forms import model_to_dict
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.actors import manages, require_manager
from accounts.domain.ask_about_versions import ask_about_versions
from accounts.domain.set_checkpoint_retention import set_checkpoint_retention
from accounts.forms import AccountSettingsForm
from accounts.models import Account
from accounts.refusals import status_of
from accounts.requests import SlipwayRequest, actor_of, wrong_account
from wire.errors import InvalidArgument, Refusal


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def account_settings(request: SlipwayRequest) -> HttpResponse:
    """Show them to every member; on POST change them, as an admin."""
    account = request.standing.account
    form = AccountSettingsForm(request.POST or None, initial=model_to_dict(account) if account else None)
    if request.method != "POST":
        return _page(request, account, form)
    try:
        if refusal := wrong_account(request):
            raise refusal
        assert account is not None, "wrong_account() refuses who has none"
        require_manager(actor_of(request), account)
        if form.is_valid():
            said, actor = form.cleaned_data, actor_of(request)
            set_checkpoint_retention(actor=actor, account=account, days=said["checkpoint_retention_days"])
            ask_about_versions(actor=actor, account=account, asks=said["asks_about_versions"])
            messages.success(request, f"The settings of {account} were saved.")
            return HttpResponseRedirect(reverse("account_settings"))
    except InvalidArgument as refusal:
        form.refuse(refusal)
    except Refusal as refusal:
        return _page(request, account, form, refusal=refusal.message, status=status_of(refusal))
    return _page(request, account, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)


def _page(
    request: SlipwayRequest,
    account: Account | None,
    form: AccountSettingsForm,
    *,
    refusal: str = "",
    status: int = HTTPStatus.OK,
) -> HttpResponse:
    context = {
        "account": account,
        "form": form,
        "manages": account is not None and manages(actor_of(request), account),
        "common_days": settings.SLIPWAY_CHECKPOINT_RETENTION_DAYS,
        "refusal": refusal,
    }
    return render(request, "accounts/settings.html", context, status=status)
