"""The playground of a deployment: ask it, see each token, and beside it what its base model says."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from accounts.actors import Actor, require
from accounts.requests import SlipwayRequest, actor_of
from accounts.roles import Right
from catalog.states import ModelKind
from catalog.usage import environment
from connections.opened import runs_elsewhere
from deployments.asking import NO_PLACE, SECONDS, Question, SamplerAnswer, ask, time_limit
from deployments.chat_templates import has_chat_template
from deployments.gateway import admit_to_ask
from deployments.models import Deployment
from deployments.offers import find_serving
from deployments.pages.playground import (
    DEFAULTS,
    Asked,
    ShownAnswer,
    curl_of,
    inputs_of,
    python_of,
    read_answer,
    read_asked,
)
from deployments.pages.standing import DeploymentStanding
from deployments.states import DeploymentState
from deployments.views.access import deployments_page
from deployments.views.deployment_page import look_at
from launches.gateway.admission import Refused

OVER = (DeploymentState.DELETING, DeploymentState.DELETED)
OWN, BASE = "own", "base"
TITLES = {OWN: "What it serves", BASE: "Base model"}
ONLY = "only"
"""Field of the form by which the page asks for the base model alone again, while that is started."""
AFTER_SECONDS = 3
"""How long until what starts is asked again."""


@dataclass(frozen=True)
class Side:
    """What one of the two answered: an answer, a refusal, or since when its sampler is being started.

    `missing` is what a deployment of its own would have to serve to answer here. One that starts may have a refusal of
    its sampler, for now.
    """

    key: str
    deployment: Deployment
    answer: ShownAnswer | None = None
    refusal: str = ""
    starting_since: datetime | None = None
    note: str = ""
    missing: str = ""

    @property
    def title(self) -> str:
        """What stands above it."""
        return TITLES[self.key]

    @property
    def missing_id(self) -> str:
        """Its last part."""
        return self.missing.rpartition("/")[2]

    @property
    def is_starting(self) -> bool:
        """Whether it is worth asking again."""
        return self.starting_since is not None


@require_http_methods(["GET", "HEAD", "POST"])
@deployments_page
def deployment_try(request: SlipwayRequest, uid: uuid.UUID) -> HttpResponse:
    """The form; on POST with what was answered, or why not, and what was typed."""
    row, actor = look_at(request, uid), actor_of(request)
    require(actor, row.account, Right.LAUNCH)
    chats = has_chat_template(row.connection, row.sampler_spec.base_model, asking=request.method != "POST")
    if request.method != "POST":
        typed = DEFAULTS | {"as": "chat" if chats else "text", "compare": "1" if row.sampler_spec.snapshot else ""}
        return _page(request, row, typed, chats=chats)
    typed = {name: request.POST.get(name, "") for name in DEFAULTS}
    asked, wrong = read_asked(typed)
    if asked is None:
        return _page(request, row, typed, wrong, chats=chats)
    alone = request.POST.get(ONLY) == BASE
    until = time_limit()
    sides = [_beside(row, actor, asked, until)] if alone else _sides(row, actor, asked, until)
    return _page(request, row, typed, chats=chats, asked=asked, sides=sides)


def _page(
    request: SlipwayRequest,
    row: Deployment,
    typed: dict[str, str],
    wrong: dict[str, str] | None = None,
    *,
    chats: bool,
    asked: Asked | None = None,
    sides: Sequence[Side] = (),
) -> HttpResponse:
    shown = asked or read_asked(typed | {"prompt": typed["prompt"] or "Once upon a time"})[0]
    body = shown.body(row.name) if shown else {}
    starting = any(side.is_starting for side in sides)
    context: dict[str, Any] = {
        "section": "deployments",
        "deployment": row,
        "standing": DeploymentStanding(row),
        "over": row.state in OVER,
        "inputs": inputs_of(typed, wrong or {}, chats=chats),
        "sides": sides,
        "starting": starting,
        "answered": any(side.answer for side in sides),
        "after": AFTER_SECONDS,
        "limit": f"{SECONDS:g}",
        "curl": curl_of(shown.path, body) if shown else "",
        "python": python_of(shown.path, body) if shown else "",
        "environment": environment(settings.SLIPWAY_URL),
    }
    template = "deployments/try_panel.html" if request.htmx else "deployments/try.html"
    status = HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.ACCEPTED if starting else HTTPStatus.OK
    return render(request, template, context, status=status)


def _sides(row: Deployment, actor: Actor, asked: Asked, until: float) -> list[Side]:
    """What the deployment answers and, where that is asked for, its base model, at the same time where both can."""
    try:
        admitted = admit_to_ask(row, actor)
    except Refused as refusal:
        return [_refused(OWN, row, refusal)]
    inside = asked.compare and not _is_whole(row) and not runs_elsewhere(row.connection)
    models = [row.name, *([row.sampler_spec.base_model] if inside else [])]
    answers = ask(
        [Question(row, admitted, asked.path, asked.body(model)) for model in models], actor=actor, until=until
    )
    sides = [_side(OWN, row, answers[0])]
    if not asked.compare or sides[0].is_starting:
        return sides
    if inside and answers[1].status != HTTPStatus.NOT_FOUND:
        plain = sides[0].answer is not None and not answers[0].body.get("snapshot_identity")
        note = "Nothing was loaded on it, so both are the base model's." if plain else ""
        return [*sides, _side(BASE, row, answers[1], note=note)]
    return [*sides, _beside(row, actor, asked, until)]


def _is_whole(row: Deployment) -> bool:
    """Whether a whole model stands in the base model's place from the start."""
    return row.model is not None and row.model.kind == ModelKind.FULL


def _beside(row: Deployment, actor: Actor, asked: Asked, until: float) -> Side:
    """The base model, whose place whole weights took: from a deployment of its own, where there is one."""
    base = row.model.base_model if row.model and _is_whole(row) else row.sampler_spec.base_model
    other = find_serving(row.account, base)
    if other is None or other.pk == row.pk:
        return Side(BASE, row, missing=base)
    try:
        admitted = admit_to_ask(other, actor)
    except Refused as refusal:
        return _refused(BASE, other, refusal)
    question = Question(other, admitted, asked.path, asked.body(other.name))
    (answer,) = ask([question], actor=actor, until=until)
    return _side(BASE, other, answer, note=f"Answered by {other.deployment_id}.")


def _side(key: str, row: Deployment, told: SamplerAnswer, *, note: str = "") -> Side:
    if told.status == HTTPStatus.SERVICE_UNAVAILABLE and told.refusal not in NO_PLACE:  # loading, ended, busy
        return Side(key, row, refusal=told.refusal if row.ready_replicas else "", starting_since=row.updated_at)
    if told.refusal:
        return Side(key, row, refusal=told.refusal)
    answer = read_answer(told.body, told.seconds, base_model=row.sampler_spec.base_model)
    return Side(key, row, answer=answer, note=note)


def _refused(key: str, row: Deployment, refusal: Refused) -> Side:
    """One that may answer soon is being started."""
    row.refresh_from_db()
    if refusal.retry_after:
        return Side(key, row, starting_since=row.updated_at)
    return Side(key, row, refusal=refusal.message)
