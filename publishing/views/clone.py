"""Copy a version that one may see under a new id of the active account."""

from __future__ import annotations

from http import HTTPStatus

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from accounts.models import Account
from accounts.refusals import status_of
from accounts.requests import SlipwayRequest, actor_of, see_other, wrong_account
from catalog.domain.clone_shape import clone_shape
from catalog.model_queries import find_model, visible_models
from catalog.models import ShapeVersion
from catalog.version_queries import find_version
from catalog.views.access import member_of
from publishing.pages.actions import Verb
from publishing.pages.addresses import action_page
from publishing.views.access import publishers_page, publishing_account
from wire.errors import Conflict, InvalidArgument, NotFound, PermissionDenied, Refusal, Violation

MOST_MODELS = 100


@require_http_methods(["GET", "HEAD", "POST"])
@publishers_page
def shape_clone(request: SlipwayRequest, account_id: str, shape_id: str, version_id: str) -> HttpResponse:
    """Ask for the new id and the base model; on POST make the shape and go to the editor of its first draft."""
    source = find_version(member_of(request), account_id, shape_id, version_id)
    if source is None:
        raise NotFound("There is no such version.")
    account = publishing_account(request)
    if request.method != "POST":
        return _page(request, source, account)
    try:
        draft = _clone(request, source, account)
    except (PermissionDenied, NotFound):
        raise
    except Refusal as refusal:
        return _page(request, source, account, refusal)
    messages.success(request, f"{draft.shape.shape_id} is a copy of {source.shape.shape_id}. Change what differs.")
    return see_other(action_page(Verb.EDIT, draft))


def _clone(request: SlipwayRequest, source: ShapeVersion, account: Account) -> ShapeVersion:
    if moved := wrong_account(request):
        raise Conflict(moved.message)
    name = request.POST.get("base_model", "").strip()
    model = find_model(member_of(request), name) if name else source.shape.base_model
    if model is None:
        sentence = f"{name[:100]!r} is no base model that you may see. Choose one of the list."
        raise InvalidArgument([Violation("base_model", sentence)])
    shape_id = request.POST.get("shape_id", "").strip()
    return clone_shape(actor=actor_of(request), source=source, account=account, shape_id=shape_id, base_model=model)


def _page(
    request: SlipwayRequest, source: ShapeVersion, account: Account, refusal: Refusal | None = None
) -> HttpResponse:
    violations = refusal.violations if isinstance(refusal, InvalidArgument) else ()
    context = {
        "section": "publish",
        "source": source,
        "account": account,
        "shape_id": request.POST.get("shape_id", ""),
        "base_model": request.POST.get("base_model", source.shape.base_model.name),
        "models": visible_models(member_of(request))[:MOST_MODELS],
        "errors": {found.field: found.description for found in violations},
        "refusal": "" if refusal is None or violations else refusal.message,
    }
    status = status_of(refusal) if refusal else HTTPStatus.OK
    return render(request, "publishing/clone.html", context, status=status)
