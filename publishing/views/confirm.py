"""Confirm, then do: every verb on a version shows what it touches before it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.actors import Actor
from accounts.refusals import status_of
from accounts.requests import SlipwayRequest, actor_of, see_other
from catalog.domain.delete_draft import delete_draft
from catalog.domain.delete_shape import delete_shape, mark_of
from catalog.domain.deprecate_version import LONGEST_MESSAGE, deprecate_version
from catalog.domain.publish_version import publish_version
from catalog.domain.restore_version import restore_version
from catalog.domain.roll_back import roll_back
from catalog.domain.shape_lock import latest_of
from catalog.domain.withdraw_version import withdraw_version
from catalog.fields.differences import FieldDifference, differences
from catalog.free_text import wrong_words
from catalog.models import ShapeVersion, TrainingShape
from catalog.states import VersionState
from catalog.views.access import member_of
from publishing.impact import OF_THE_SHAPE, impact_of
from publishing.pages.actions import DELETE_SHAPE, Verb, legal_verbs, remedy_of, words_of
from publishing.pages.addresses import shape_page
from publishing.successors import read_successor, successor_text
from publishing.views.access import published_shape, publishers_page, version_of
from wire.errors import Conflict, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, Refusal, Violation

METHODS = ["GET", "HEAD", "POST"]
LONGEST_REASON = 500
ASKED = ("public", "reason", "message", "successor")
EXPECTING = OF_THE_SHAPE | {Verb.WITHDRAW}
"""Verbs that mind which version is the latest."""
REASONED = frozenset({Verb.PUBLISH, Verb.MAKE_PUBLIC, Verb.ROLL_BACK, Verb.WITHDRAW, Verb.RESTORE, Verb.DELETE})


@dataclass(frozen=True)
class ConfirmInput:
    """What stands in the form. `public` is "" as long as nothing was chosen.

    `expected` is what the page showed: the id of the latest version or, of a shape to be deleted, the mark of them all.
    """

    public: str = ""
    reason: str = ""
    message: str = ""
    successor: str = ""
    expected: str | None = None


@dataclass(frozen=True)
class Confirmation:
    """What a verb is done to, by whom, and with what."""

    actor: Actor
    version: ShapeVersion
    typed: ConfirmInput
    member_of: list[int]


@require_http_methods(METHODS)
@publishers_page
def publish_verb(request: SlipwayRequest, account_id: str, shape_id: str, version_id: str, verb: str) -> HttpResponse:
    """`/publish/<account>/<shape>/versions/<version>/<verb>`: ask, and on POST do it."""
    if verb not in _DOERS:
        raise NotFound("There is no such page.")
    shape = published_shape(request, account_id, shape_id)
    version = version_of(shape, version_id)
    action = Verb(verb)
    if request.method != "POST":
        if action not in legal_verbs(version):
            latest = latest_of(shape)
            words = f"{words_of(action, version, latest).label}: not possible for {version_id} as it stands now."
            messages.warning(request, f"{words} {remedy_of(action, version, latest)}".strip())
            return HttpResponseRedirect(shape_page(shape))
        return _page(request, action, shape, version, _offered(action, version))
    typed = _typed(request)
    step = Confirmation(actor_of(request), version, typed, member_of(request))
    try:
        _refuse_wrong_reason(typed.reason)
        _DOERS[action](step)
    except (PermissionDenied, NotFound):
        raise
    except Refusal as refusal:
        return _page(request, action, shape, version, typed, refusal=refusal)
    messages.success(request, f"Version {version_id} {words_of(action, version, None).done}")
    return see_other(shape_page(shape))


@require_http_methods(METHODS)
@publishers_page
def shape_delete(request: SlipwayRequest, account_id: str, shape_id: str) -> HttpResponse:
    """Delete the shape with all of its versions, where nothing refers to them."""
    shape = published_shape(request, account_id, shape_id)
    if request.method != "POST":
        return _page(request, Verb.DELETE, shape, None, ConfirmInput())
    typed = _typed(request)
    try:
        _refuse_wrong_reason(typed.reason)
        delete_shape(actor=actor_of(request), shape=shape, expected=typed.expected, reason=typed.reason)
    except (PermissionDenied, NotFound):
        raise
    except Refusal as refusal:
        return _page(request, Verb.DELETE, shape, None, typed, refusal=refusal)
    messages.success(request, f"{shape_id} {DELETE_SHAPE.done}")
    return see_other(reverse("publish"))


def _typed(request: SlipwayRequest) -> ConfirmInput:
    given = {name: request.POST.get(name, "").strip() for name in ASKED}
    return ConfirmInput(**given, expected=request.POST.get("expected"))


def _refuse_wrong_reason(reason: str) -> None:
    if found := wrong_words("reason", reason, longest=LONGEST_REASON):
        raise InvalidArgument(found)


def _offered(verb: Verb, version: ShapeVersion) -> ConfirmInput:
    """What the form starts with: for a deprecated version its message, to be changed."""
    if verb is not Verb.DEPRECATE:
        return ConfirmInput()
    return ConfirmInput(message=version.deprecation_message, successor=successor_text(version))


def _publish(step: Confirmation) -> object:
    if step.typed.public not in {"yes", "no"}:
        raise InvalidArgument([Violation("public", "Nothing is chosen. Choose who may see it.")])
    return publish_version(
        actor=step.actor,
        version=step.version,
        public=step.typed.public == "yes",
        expected_latest=step.typed.expected,
        reason=step.typed.reason,
    )


def _make_public(step: Confirmation) -> object:
    if step.version.published_at is None:
        raise FailedPrecondition(f"{step.version.name} is not published yet. Publish it, for everybody.")
    return publish_version(
        actor=step.actor,
        version=step.version,
        public=True,
        expected_latest=step.typed.expected,
        reason=step.typed.reason,
    )


def _roll_back(step: Confirmation) -> object:
    return roll_back(
        actor=step.actor, version=step.version, expected_latest=step.typed.expected, reason=step.typed.reason
    )


def _withdraw(step: Confirmation) -> object:
    return withdraw_version(
        actor=step.actor, version=step.version, expected_latest=step.typed.expected, reason=step.typed.reason
    )


def _deprecate(step: Confirmation) -> object:
    successor = read_successor(step.typed.successor, step.version, step.member_of)
    return deprecate_version(actor=step.actor, version=step.version, message=step.typed.message, successor=successor)


def _restore(step: Confirmation) -> object:
    return restore_version(actor=step.actor, version=step.version, reason=step.typed.reason)


def _delete(step: Confirmation) -> object:
    delete_draft(actor=step.actor, version=step.version, reason=step.typed.reason)
    return None


_DOERS: dict[str, Callable[[Confirmation], object]] = {
    Verb.PUBLISH: _publish,
    Verb.MAKE_PUBLIC: _make_public,
    Verb.ROLL_BACK: _roll_back,
    Verb.WITHDRAW: _withdraw,
    Verb.DEPRECATE: _deprecate,
    Verb.RESTORE: _restore,
    Verb.DELETE: _delete,
}


def _page(
    request: SlipwayRequest,
    verb: Verb,
    shape: TrainingShape,
    version: ShapeVersion | None,
    typed: ConfirmInput,
    *,
    refusal: Refusal | None = None,
) -> HttpResponse:
    violations = refusal.violations if isinstance(refusal, InvalidArgument) else ()
    impact = impact_of(verb, shape, version, now=timezone.now())
    latest = latest_of(shape)
    being_validated = version is None and shape.versions.filter(state=VersionState.VALIDATING).exists()
    kept = verb is Verb.DELETE and (impact.keeps or being_validated)
    possible = not kept and (version is None or verb in legal_verbs(version))
    context: dict[str, Any] = {
        "section": "publish",
        "verb": verb,
        "words": words_of(verb, version, latest) if version else DELETE_SHAPE,
        "shape": shape,
        "version": version,
        "typed": typed,
        "impact": impact,
        "latest": latest,
        "lines": _lines(latest, version),
        "asks_reason": verb in REASONED and not kept,
        "expected": _expected(verb, shape, version, latest),
        "possible": possible,
        "kept": kept,
        "being_validated": being_validated,
        "versions": None if version else _counted(shape),
        "of_the_shape": version is None or verb in OF_THE_SHAPE,
        "shape_is_public": shape.versions.filter(is_public=True).exists(),
        "longest_message": LONGEST_MESSAGE,
        "errors": {found.field: found.description for found in violations if found.field in ASKED},
        "missing": [found for found in violations if found.field not in ASKED],
        "conflict": isinstance(refusal, Conflict),
        "refusal": "" if refusal is None or violations else refusal.message,
    }
    status = status_of(refusal) if refusal else HTTPStatus.OK
    return render(request, "publishing/confirm.html", context, status=status)


def _expected(
    verb: Verb, shape: TrainingShape, version: ShapeVersion | None, latest: ShapeVersion | None
) -> str | None:
    """What the form sends back as seen; None for a verb that minds nothing."""
    if version is None:
        return mark_of(shape)
    if verb not in EXPECTING:
        return None
    return latest.version_id if latest else ""


def _counted(shape: TrainingShape) -> dict[str, int]:
    """How many versions go with the shape, and how many of them were published."""
    return shape.versions.aggregate(all=Count("pk"), published=Count("published_at"))


def _lines(latest: ShapeVersion | None, version: ShapeVersion | None) -> list[FieldDifference] | None:
    """From the latest version to this one; None where there are not two."""
    if latest is None or version is None or latest.pk == version.pk:
        return None
    return differences((latest.frozen_snapshot, latest.fields), (version.frozen_snapshot, version.fields))
