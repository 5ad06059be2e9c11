"""Models in the browser, to take away; what was signed about them, and the key to verify that with."""

from __future__ import annotations

from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.refusals import status_of
from accounts.requests import SlipwayRequest, actor_of
from catalog.signatures import own_public_key
from catalog.weights import manifest_of
from launches.domain.release_weights import ARCHIVE, release_model
from launches.sending import send_weights
from launches.views.model_page import model_context, models_page, own_model
from wire.errors import NotFound, PermissionDenied, Refusal


@require_safe
@models_page
def model_archive(request: SlipwayRequest, account: str, model_id: str) -> HttpResponseBase:
    """All its files in one, its manifest beside them."""
    return _send(request, account, model_id, ARCHIVE)


@require_safe
@models_page
def model_file(request: SlipwayRequest, account: str, model_id: str, path: str) -> HttpResponseBase:
    """One of its files."""
    return _send(request, account, model_id, path)


@require_safe
@models_page
def model_manifest(request: SlipwayRequest, account: str, model_id: str) -> HttpResponse:
    """What was signed about it, for whoever sees it."""
    found = own_model(request, account, model_id)
    try:
        signed = manifest_of(found.account.account_id, found.model_id).read_bytes()
    except FileNotFoundError:
        raise Http404("There is no manifest of it.") from None
    answer = HttpResponse(signed, content_type="application/json")
    answer["Content-Disposition"] = f'attachment; filename="{found.model_id}.manifest.json"'
    return answer


@require_safe
def signing_key(request: SlipwayRequest) -> HttpResponse:
    """The public half of the key that models are signed with, for everybody."""
    return HttpResponse(own_public_key(), content_type="application/x-pem-file")


def _send(request: SlipwayRequest, account: str, model_id: str, path: str) -> HttpResponseBase:
    found, actor = own_model(request, account, model_id), actor_of(request)
    try:
        weights = release_model(actor=actor, model=found)
        return send_weights(request, actor=actor, weights=weights, path=path)
    except (NotFound, PermissionDenied):
        raise
    except Refusal as refusal:
        context = model_context(request, found) | {"refusal": refusal.message}
        return render(request, "models/page.html", context, status=status_of(refusal))
