"""Promote a checkpoint of a launch to a model of its account."""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.actors import require, right_to_control
from accounts.guards import guarded_page
from accounts.refusals import status_of
from accounts.requests import SlipwayRequest, actor_of, see_other
from catalog.domain.rename_trained_model import LONGEST_NAME
from catalog.fields.inputs import Input, options_of
from catalog.views.access import member_of
from catalog.weights import ADAPTER_CONFIG, sorted_out
from connections.opened import merges
from connections.providers.checkpoints import CheckpointFile, CheckpointKind
from launches.domain.promote_checkpoint import promote_checkpoint
from launches.models import Checkpoint, Launch
from launches.queries import find_launch
from wire.errors import InvalidArgument, Refusal
from wire.names import near_id

NAME, ID, BECOMES = "display_name", "model_id", "becomes"
ADAPTER, MERGED = "adapter", "merged"
BY_HAND = "Whoever needs a whole model merges what is downloaded (peft's merge_and_unload)."
OF_ID = "What programs call it by, for ever; below the models of account"


@require_http_methods(["GET", "HEAD", "POST"])
@guarded_page("launches")
def checkpoint_promote(request: SlipwayRequest, uid: uuid.UUID, name: str) -> HttpResponse:
    """The form, with an id that would do; or start it and go to the model's page."""
    launch = find_launch(member_of(request), uid)
    if launch is None:
        raise Http404("There is no such launch.")
    found = launch.checkpoints.filter(kind=CheckpointKind.SAMPLER, name=name).first()
    if found is None:
        raise Http404("There is no such checkpoint.")
    require(actor_of(request), launch.account, right_to_control(actor_of(request), launch))
    if request.method != "POST":
        typed = {NAME: launch.display_name, ID: near_id(f"{launch.display_name or launch.job_id}-{found.name}")}
        return _form(request, launch, found, typed | {BECOMES: request.GET.get(BECOMES, ADAPTER)})
    typed = {key: request.POST.get(key, "") for key in (NAME, ID, BECOMES)}
    if typed[BECOMES] not in ("", ADAPTER, MERGED):
        odd = {BECOMES: f"{typed[BECOMES][:40]!r} is neither {ADAPTER} nor {MERGED}."}
        return _form(request, launch, found, typed, odd, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        model = promote_checkpoint(
            actor=actor_of(request),
            launch=launch,
            checkpoint=name,
            model_id=typed[ID].strip(),
            display_name=typed[NAME],
            merged=typed[BECOMES] == MERGED,
        )
    except InvalidArgument as refusal:
        errors = {violation.field: violation.description for violation in refusal.violations}
        return _form(request, launch, found, typed, errors, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    except Refusal as refusal:
        return _form(request, launch, found, typed, {"": refusal.message}, status=status_of(refusal))
    return see_other(reverse("model", args=[model.account.account_id, model.model_id]))


def _form(
    request: SlipwayRequest,
    launch: Launch,
    found: Checkpoint,
    typed: dict[str, str],
    errors: dict[str, str] | None = None,
    *,
    status: int = HTTPStatus.OK,
) -> HttpResponse:
    errors = errors or {}
    taken, left_out = sorted_out(CheckpointFile(**file) for file in found.files)
    is_adapter = any(file.path == ADAPTER_CONFIG for file in taken)
    context: dict[str, Any] = {
        "section": "launches",
        "launch": launch,
        "checkpoint": found,
        "taken": taken,
        "size": sum(file.size_bytes for file in taken),
        "left_out": left_out,
        "refusal": errors.get("", ""),
        "inputs": [
            _input(NAME, typed, errors, label="Display name", limits=f"up to {LONGEST_NAME} characters", optional=True),
            _input(ID, typed, errors, label="Model id", limits="a-z, 0-9, -", help=f"{OF_ID} {launch.account}."),
            *([_becomes(typed, errors, launch)] if is_adapter else []),
        ],
    }
    return render(request, "launches/promote.html", context, status=status)


def _becomes(typed: dict[str, str], errors: dict[str, str], launch: Launch) -> Input:
    if not merges(launch.connection):
        told = f"{launch.connection} merges no adapters, so it stays one, which a launch can go on from. {BY_HAND}"
        return _input(BECOMES, {BECOMES: "an adapter"}, errors, label="It becomes", locked=True, help=told)
    choices = [(ADAPTER, "an adapter, as it is"), (MERGED, "a full model, merged into its base")]
    return _input(
        BECOMES,
        typed,
        errors,
        label="It becomes",
        options=options_of(choices, typed[BECOMES], odd="is neither"),
        help="An adapter is small and needs its base model; a full model is loaded, and launched from, by itself.",
    )


def _input(name: str, typed: dict[str, str], errors: dict[str, str], **words: Any) -> Input:
    wrong = (errors[name],) if name in errors else ()
    return Input(prefix="id_", name=name, value=typed[name], errors=wrong, **{"help": "", **words})
