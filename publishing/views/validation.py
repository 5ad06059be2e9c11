"""The page of a version's validation, and the posts that ask for one, stop one, or vouch by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.actors import Actor
from accounts.refusals import status_of
from accounts.requests import SlipwayRequest, actor_of, see_other
from catalog.models import ShapeVersion
from catalog.rights import require_publisher
from catalog.states import VersionState
from catalog.views.access import member_of
from connections.providers.states import AttemptState
from launches.models import Attempt, Event
from launches.offers import Offer
from launches.validation_runs import BY_HAND_ONLY, ValidationRun, validation_offer
from publishing.domain.cancel_validation import cancel_validation
from publishing.domain.request_validation import request_validation
from publishing.domain.validate_by_hand import LONGEST, SHORTEST, validate_by_hand
from publishing.models import Validation
from publishing.pages.actions import WORDS, ActionText, Verb, legal_verbs
from publishing.pages.addresses import action_page
from publishing.pages.stepper import steps_of, words_of
from publishing.passport import is_renewable
from publishing.states import ValidationState
from publishing.validation_queries import events_of, newest_validations, passport_of, watched_attempt
from publishing.views.passport import passport_context, version_of
from wire.errors import InvalidArgument, NotFound, Refusal, Violation


@dataclass(frozen=True)
class LogLine:
    """A line of the page's log; `level` is that of `Line`; `more` is what follows on lines of its own."""

    at: datetime
    text: str
    level: str
    more: str = ""


@require_safe
@login_required
@never_cache
def validation(request: SlipwayRequest, account_id: str, shape_id: str, version_id: str) -> HttpResponse:
    """The version's newest validation, for members of its account; to HTMX only what changes while it runs."""
    version = _version_of_mine(request, account_id, shape_id, version_id)
    template = "publishing/validation_panel.html" if request.htmx else "publishing/validation.html"
    return render(request, template, _context(request, version))


@require_POST
@login_required
@never_cache
def validation_start(request: SlipwayRequest, account_id: str, shape_id: str, version_id: str) -> HttpResponse:
    """Ask for a validation."""
    version = _version_of_mine(request, account_id, shape_id, version_id)
    return _act(request, version, lambda actor: request_validation(actor=actor, version=version, now=timezone.now()))


@require_POST
@login_required
@never_cache
def validation_stop(request: SlipwayRequest, account_id: str, shape_id: str, version_id: str) -> HttpResponse:
    """Stop the newest validation."""
    version = _version_of_mine(request, account_id, shape_id, version_id)

    def stop(actor: Actor) -> None:
        require_publisher(actor, version.shape.account)
        newest = Validation.objects.filter(version=version.pk).order_by("-number").first()
        if newest is None:
            raise NotFound(f"{version.name} has no validation to stop.")
        newest.version = version
        cancel_validation(actor=actor, validation=newest, now=timezone.now())

    return _act(request, version, stop)


@require_POST
@login_required
@never_cache
def validation_by_hand(request: SlipwayRequest, account_id: str, shape_id: str, version_id: str) -> HttpResponse:
    """Vouch for the version with a `reason`."""
    version = _version_of_mine(request, account_id, shape_id, version_id)
    reason = request.POST.get("reason", "")
    return _act(
        request,
        version,
        lambda actor: validate_by_hand(actor=actor, version=version, reason=reason, now=timezone.now()),
    )


def _version_of_mine(request: SlipwayRequest, account_id: str, shape_id: str, version_id: str) -> ShapeVersion:
    version = version_of(request, account_id, shape_id, version_id)
    if version.shape.account_id not in member_of(request):
        raise Http404("There is no such version in your accounts.")
    return version


def _act(request: SlipwayRequest, version: ShapeVersion, verb: Callable[[Actor], object]) -> HttpResponse:
    try:
        verb(actor_of(request))
    except Refusal as refusal:
        context = _context(request, version, refusal=refusal)
        return render(request, "publishing/validation.html", context, status=status_of(refusal))
    shape = version.shape
    return see_other(reverse("validation", args=[shape.account.account_id, shape.shape_id, version.version_id]))


def _context(request: SlipwayRequest, version: ShapeVersion, *, refusal: Refusal | None = None) -> dict[str, Any]:
    validations = newest_validations(version)
    newest, earlier = (validations[0], validations[1:]) if validations else (None, ())
    passport = passport_of(version)
    violations = refusal.violations if isinstance(refusal, InvalidArgument) else ()
    return {
        "version": version,
        "shape": version.shape,
        "validation": newest,
        "earlier": [(each, *_words(each)) for each in earlier],
        "member": True,
        "refusal": refusal.message if refusal and not violations else "",
        "reason_errors": [found for found in violations if found.field == "reason"],
        "problems": [found for found in violations if found.field != "reason"],
        "reason": request.POST.get("reason", ""),
        "bounds": (SHORTEST, LONGEST),
        **(_progress(newest) if newest else {}),
        **passport_context(passport),
        **_actions(request, version, newest, passport),
    }


def _words(validation: Validation) -> tuple[str, str]:
    """Its state's label and look."""
    return words_of(ValidationState(validation.state), None)


def _progress(newest: Validation) -> dict[str, Any]:
    """Where it stands, and what happened so far."""
    state = ValidationState(newest.state)
    attempt = watched_attempt(newest)
    times: dict[ValidationState, datetime] = {}
    for line in newest.log:
        times.setdefault(ValidationState(line["state"]), datetime.fromisoformat(line["at"]))
    done = attempt.metrics_read if attempt else 0
    launch = AttemptState(attempt.state) if attempt else None
    made = times.pop(ValidationState.RUNNING, None)
    events = events_of(newest)
    if ran := _ran_at(events) or (made if done else None):  # a provider that was asked late may not have said so
        times[ValidationState.RUNNING] = ran
    label, look = words_of(state, launch)
    return {
        "state_label": label,
        "state_look": look,
        "steps": () if newest.steps is None else steps_of(state, times, launch=launch, done=done, steps=newest.steps),
        "runs": state is ValidationState.RUNNING and ran is not None,
        "done": done,
        "under_way": "" if attempt is None or newest.is_final else _under_way(attempt),
        "log": sorted(_lines(newest, events), key=lambda line: line.at),
    }


def _under_way(attempt: Attempt) -> str:
    """What its launch does right now, as the provider last said."""
    first, _, _ = attempt.detail.partition("\n")
    return first


def _ran_at(events: Sequence[Event]) -> datetime | None:
    """When the trainer began to run; None where it was not seen to."""
    ran = (event for event in events if event.kind == "state" and event.data["state"] == AttemptState.RUNNING)
    return next((event.created_at for event in ran), None)


def _lines(newest: Validation, events: Sequence[Event]) -> Iterator[LogLine]:
    for line in newest.log:
        first, _, more = line["text"].partition("\n")
        yield LogLine(datetime.fromisoformat(line["at"]), first, line["level"], more)
    for event in events:
        first, _, more = event.message.partition("\n")
        yield LogLine(event.created_at, f"Launch: {first}", "info", more)


def _actions(
    request: SlipwayRequest, version: ShapeVersion, newest: Validation | None, passport: Validation | None
) -> dict[str, Any]:
    """Which buttons there are, and why the others are not. Providers are asked only where that decides something."""
    try:
        require_publisher(actor_of(request), version.shape.account)
    except Refusal as refusal:
        return {"section": "catalog", "locked": refusal.message}
    shown: dict[str, Any] = {"section": "publish", "publishes": True}
    if newest and not newest.is_final:
        return shown | {"may_stop": True}
    shown["following"] = _following(version)
    if version.withdrawn_at is not None:
        return shown | {"locked": "It was withdrawn, so there is nothing left to validate."}
    try:
        offer = validation_offer(version, ValidationRun(settings.SLIPWAY_VALIDATION_STEPS))
    except InvalidArgument as refusal:
        return shown | {"broken": refusal.violations}
    return shown | {
        "may_start": offer.connection is not None,
        "reasons": _reasons(version, offer),
        "may_vouch": offer.connection is None
        and (version.state != VersionState.VALIDATED or is_renewable(version, passport, timezone.now())),
    }


def _following(version: ShapeVersion) -> tuple[ActionText, str] | None:
    """What comes after a validation, with its address: to publish what passed, to begin anew after what did not."""
    verb = legal_verbs(version)[0]
    return (WORDS[verb], action_page(verb, version)) if verb in {Verb.PUBLISH, Verb.REVISE} else None


def _reasons(version: ShapeVersion, offer: Offer) -> list[Violation]:
    """Why no connection can run it; a violation's field is the connection."""
    if offer.connection is not None:
        return []
    if version.trainer_mode is None:
        return [Violation("Samplers", BY_HAND_ONLY)]
    told = [Violation(label, reason) for label, reasons in offer.refusals for reason in reasons]
    return told or [Violation("Connections", "The account has none.")]
