"""Attempts that are not over here and that their connection has no word of: ask again, or end them here."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.requests import SlipwayRequest, actor_of, see_other
from launches.domain.end_here import end_here
from launches.domain.look_again import look_again
from launches.unknown_trainers import find_missing
from launches.views.unknown_trainers import unmatched_page
from wire.errors import Refusal


@require_POST
@login_required
@never_cache
def missing_look(request: SlipwayRequest, number: int) -> HttpResponse:
    """Ask for it now."""
    try:
        attempt = find_missing(actor_of(request), number)
        look_again(actor=actor_of(request), attempt=attempt)
    except Refusal as refusal:
        return unmatched_page(request, refusal=refusal)
    connection = attempt.launch.connection
    messages.success(
        request, f"{connection} is asked for {attempt.launch} now. Load the page again to see what it says."
    )
    return see_other(reverse("unknown_trainers"))


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def missing_end(request: SlipwayRequest, number: int) -> HttpResponse:
    """Ask whether to end it here; on POST do."""
    try:
        attempt = find_missing(actor_of(request), number)
        if request.method != "POST":
            return render(request, "launches/missing_end.html", {"section": "launches", "attempt": attempt})
        end_here(actor=actor_of(request), attempt=attempt)
    except Refusal as refusal:
        return unmatched_page(request, refusal=refusal)
    messages.success(request, f"{attempt.launch} is over here. It can be resumed from its newest checkpoint.")
    return see_other(reverse("unknown_trainers"))
