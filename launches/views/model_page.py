"""The page of a model that an account made: where it came from, what it is, and what can be done with it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.actors import require
from accounts.guards import guarded_page
from accounts.refusals import status_of
from accounts.requests import SlipwayRequest, actor_of, see_other
from catalog.domain.hold_model import right_to_change
from catalog.domain.rename_trained_model import LONGEST_NAME, rename_trained_model
from catalog.models import TrainedModel
from catalog.signatures import own_key_digest
from catalog.states import ModelKind
from catalog.trained_queries import find_trained
from catalog.usage import loading_code
from catalog.views.access import member_of
from catalog.visibility import listed
from catalog.weights import manifest_of
from connections.opened import merges
from connections.providers.checkpoints import CheckpointKind
from launches.domain.delete_model import delete_model
from launches.model_uses import uses_of
from launches.models import Checkpoint
from launches.pages.download_code import download_code
from launches.pages.models import ShownModel
from launches.subjects import shapes_for
from launches.views.form_links import form_address
from wire.errors import InvalidArgument, Refusal
from wire.names import model_name

models_page = guarded_page("models")


def own_model(request: SlipwayRequest, account: str, model_id: str) -> TrainedModel:
    """What the address names. Errors: `Http404` for what is not there or belongs to somebody else's account."""
    found = find_trained(member_of(request), model_name(account, model_id))
    if found is None:
        raise Http404("There is no such model.")
    return found


@require_safe
@models_page
def model(request: SlipwayRequest, account: str, model_id: str) -> HttpResponse:
    """The page; while the model is being made, what changes of it is fetched again and again."""
    found = own_model(request, account, model_id)
    template = "models/panel.html" if request.htmx else "models/page.html"
    return render(request, template, model_context(request, found))


@require_POST
@models_page
def model_rename(request: SlipwayRequest, account: str, model_id: str) -> HttpResponse:
    """Another display name; the id stays."""
    found, typed = own_model(request, account, model_id), request.POST.get("display_name", "")
    try:
        renamed = rename_trained_model(actor=actor_of(request), model=found, display_name=typed)
    except InvalidArgument as refusal:
        context = model_context(request, found) | {"typed": typed, "wrong": refusal.violations[0].description}
        return render(request, "models/page.html", context, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    messages.success(request, f"{found.model_id} is shown as {renamed} now.")
    return see_other(reverse("model", args=[account, model_id]))


@require_http_methods(["GET", "HEAD", "POST"])
@models_page
def model_delete(request: SlipwayRequest, account: str, model_id: str) -> HttpResponse:
    """Say what it touches, and ask; or delete it."""
    found = own_model(request, account, model_id)
    require(actor_of(request), found.account, right_to_change(actor_of(request), found))
    refusal, status = "", int(HTTPStatus.OK)
    if request.method == "POST":
        try:
            freed = delete_model(actor=actor_of(request), model=found)
        except Refusal as error:
            refusal, status = error.message, status_of(error)
        else:
            messages.success(request, f"{found} was deleted; {filesizeformat(freed)} are free.")
            return see_other(reverse("models"))
    context = {"section": "models", "model": found, "uses": uses_of(found), "refusal": refusal}
    return render(request, "models/delete.html", context, status=status)


def model_context(request: SlipwayRequest, found: TrainedModel) -> dict[str, Any]:
    whole = found.kind == ModelKind.FULL
    return {
        "section": "models",
        "model": found,
        "shown": ShownModel(found),
        "files": found.contents or found.sources,
        "from_launch": found.provenance.get("launch_uid"),
        "may_change": _may_change(request, found),
        "typed": found.display_name,
        "longest_name": LONGEST_NAME,
        "manifest": manifest_of(found.account.account_id, found.model_id).is_file(),
        "key_digest": own_key_digest(),
        "lines": download_code(found.name, folder=found.model_id),
        "code": loading_code(found.model_id, base_model=found.base_model, adapter=not whole),
        "starts": _starts(request, found) if ShownModel(found).is_here else [],
        "merge_address": "" if whole or not _may_merge(found) else _merge_address(found),
    }


def _may_change(request: SlipwayRequest, found: TrainedModel) -> bool:
    actor = actor_of(request)
    try:
        require(actor, found.account, right_to_change(actor, found))
    except Refusal:
        return False
    return True


def _may_merge(found: TrainedModel) -> bool:
    """Whether what its checkpoint lies at folds adapters into their base models."""
    return found.elsewhere is None and found.connection is not None and merges(found.connection)


def _merge_address(found: TrainedModel) -> str:
    """The form that promotes the checkpoint of an adapter merged; "" where that is gone."""
    uid = found.provenance.get("launch_uid")
    saved = Checkpoint.objects.filter(launch__account=found.account_id, kind=CheckpointKind.SAMPLER)
    if not uid or not saved.filter(launch__uid=uid, name=found.checkpoint).exists():
        return ""
    return reverse("checkpoint_promote", args=[uid, found.checkpoint]) + "?becomes=merged"


def _starts(request: SlipwayRequest, found: TrainedModel) -> list[dict[str, Any]]:
    """The shapes that a launch from it can take, each with the address of its form."""
    query = urlencode({"base_model": found.name})
    fitting = shapes_for(listed(member_of(request)), found)
    return [{"version": version, "address": f"{form_address(version.shape)}?{query}"} for version in fitting]
