"""How to use this Slipway from elsewhere, in the active account: address, keys, and code to paste."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import Account
from accounts.requests import SlipwayRequest
from catalog.usage import KEY_VARIABLE, URL_VARIABLE, Example
from launches.offers import refusal_sentence
from launches.pages.quickstart import quickstart
from launches.placement import connections_of, default_offer
from launches.queries import example_version
from launches.subjects import bare_subject


@require_safe
@login_required
@never_cache
def connect(request: SlipwayRequest) -> HttpResponse:
    """The page; without an account, or with no shape to name, it says so in place of the code."""
    account = request.standing.account
    context = {
        "account": account,
        "base_url": settings.SLIPWAY_URL,
        "key_variable": KEY_VARIABLE,
        "url_variable": URL_VARIABLE,
        **(_example(account) if account else {}),
    }
    return render(request, "launches/connect_page.html", context)


def _example(account: Account) -> dict[str, Any]:
    """The code for the account's example shape, and why nobody here would run it, "" where somebody does."""
    version = example_version(account)
    if version is None:
        return {}
    spec, offer = default_offer(bare_subject(version), connections_of(account))
    example = Example(
        shape=version.shape.name,
        base_model=spec.base_model,
        mode=spec.trainer_mode,
        lora_rank=spec.lora_rank,
        context=spec.max_context_length,
        base_url=settings.SLIPWAY_URL,
    )
    return {
        "shape": version.shape,
        "snippets": quickstart(example, account.account_id),
        "refusal": refusal_sentence(offer) if offer.connection is None else "",
    }
