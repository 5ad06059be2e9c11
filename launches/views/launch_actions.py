"""Cancel, resume, delete, discard what is kept of a deleted one: each one verb, then back to where it is seen.

Cancel, resume and delete are given their verbs by the URLs: what goes with a launch is known in a room above.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from accounts.actors import Actor
from accounts.refusals import status_of
from accounts.requests import SlipwayRequest, actor_of
from launches.domain.choose_going_on import choose_going_on
from launches.domain.discard_checkpoints import discard_checkpoints
from launches.domain.extend_launch import STEPS, extend_launch
from launches.domain.keep_version import keep_version
from launches.models import Launch
from launches.views.launch_page import launch_page, look_at
from wire.errors import Refusal

SAMPLERS, END = "samplers", "end"
"""What a form says that ends the samplers, too."""


@require_POST
@login_required
@never_cache
def launch_cancel(request: SlipwayRequest, uid: uuid.UUID, cancel: Callable[..., object]) -> HttpResponse:
    """Ask for the end of the launch, and of its samplers where the form says so."""
    ends = _ends_samplers(request)
    return _act(request, uid, lambda actor, launch: cancel(actor=actor, launch=launch, end_samplers=ends), _to_page)


@require_POST
@login_required
@never_cache
def launch_resume(request: SlipwayRequest, uid: uuid.UUID, resume: Callable[..., object]) -> HttpResponse:
    """Open the next attempt."""
    return _act(request, uid, lambda actor, launch: resume(actor=actor, launch=launch), _to_page)


@require_POST
@login_required
@never_cache
def launch_extend(request: SlipwayRequest, uid: uuid.UUID) -> HttpResponse:
    """Let a recipe that has run to its end go on for some steps more."""
    steps = request.POST.get(STEPS, "")
    return _act(request, uid, lambda actor, launch: extend_launch(actor=actor, launch=launch, steps=steps), _to_page)


@require_POST
@login_required
@never_cache
def launch_going_on(request: SlipwayRequest, uid: uuid.UUID) -> HttpResponse:
    """Say whether it goes on by itself where it is interrupted."""
    goes_on = request.POST.get("goes_on") == "yes"
    return _act(
        request, uid, lambda actor, launch: choose_going_on(actor=actor, launch=launch, goes_on=goes_on), _to_page
    )


@require_POST
@login_required
@never_cache
def launch_keep(request: SlipwayRequest, uid: uuid.UUID) -> HttpResponse:
    """Agree to the version that the launch's connection resolved."""
    version = request.POST.get("version", "")
    return _act(request, uid, lambda actor, launch: keep_version(actor=actor, launch=launch, version=version), _to_page)


@require_POST
@login_required
@never_cache
def launch_delete(request: SlipwayRequest, uid: uuid.UUID, delete: Callable[..., object]) -> HttpResponse:
    """Delete the launch, and its samplers where the form says so; go to the list, which no longer shows it."""
    ends = _ends_samplers(request)

    def to_list(launch: Launch) -> str:
        launch.refresh_from_db(fields=["kept_until"])
        kept = launch.checkpoints.exists() and launch.kept_until
        until = f" Its checkpoints are kept until {kept:%Y-%m-%d}: look under State, Deleted." if kept else ""
        messages.success(request, f"{launch} was deleted.{until}")
        return reverse("launches")

    return _act(request, uid, lambda actor, launch: delete(actor=actor, launch=launch, end_samplers=ends), to_list)


@require_POST
@login_required
@never_cache
def launch_discard(request: SlipwayRequest, uid: uuid.UUID) -> HttpResponse:
    """Remove the checkpoints of a deleted launch before their time is over."""
    return _act(request, uid, lambda actor, launch: discard_checkpoints(actor=actor, launch=launch), _to_page)


def _ends_samplers(request: SlipwayRequest) -> bool:
    return request.POST.get(SAMPLERS) == END


def _to_page(launch: Launch) -> str:
    return reverse("launch", args=[launch.uid])


def _act(
    request: SlipwayRequest,
    uid: uuid.UUID,
    verb: Callable[[Actor, Launch], object],
    destination: Callable[[Launch], str],
) -> HttpResponse:
    launch = look_at(request, uid).launch
    try:
        verb(actor_of(request), launch)
    except Refusal as refusal:
        return launch_page(request, uid, status=status_of(refusal), refusal=refusal.message)
    return HttpResponseRedirect(destination(launch))
