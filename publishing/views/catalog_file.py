"""The catalog as a file: download it, upload another, review the difference, apply it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from accounts.actors import require_manager
from accounts.models import Account, User
from accounts.requests import SlipwayRequest, actor_of, see_other, wrong_account
from catalog.domain.dismiss_bundled import dismiss_bundled
from catalog.domain.plan_catalog import plan_catalog
from catalog.files.bundled import bundled_files
from catalog.files.current import read_current
from catalog.files.export import write_document
from catalog.files.plan import Plan, PlanStep, StepKind
from catalog.files.plan_text import plan_text, summary
from catalog.files.problems import DocumentError
from catalog.files.reader import read_document
from catalog.files.scan import MAX_BYTES, read_limited
from publishing.bundled import applied_file, offer_for
from publishing.domain.apply_import import apply_import
from publishing.domain.keep_import import keep_import
from publishing.impact import TouchedShape, touched_shapes
from publishing.models import CatalogImport
from publishing.queries import find_import, has_older_fields
from publishing.views.access import publishers_page, publishing_account
from wire.errors import Conflict, FailedPrecondition, NotFound

MOST_STEPS = 100
"""Steps of one kind that a page shows; the plan as a file has them all."""
TITLES: dict[StepKind, tuple[str, str]] = {
    StepKind.ADD_ACCOUNT: ("Account to add", "plus"),
    StepKind.CHANGE_ACCOUNT: ("Account to rename", "pencil"),
    StepKind.ADD: ("Shapes to add", "plus"),
    StepKind.CHANGE: ("Shapes to change", "pencil"),
    StepKind.DEPRECATE: ("Shapes to deprecate", "triangle-alert"),
    StepKind.RESTORE: ("Deprecations to lift", "rotate-ccw"),
    StepKind.ADD_MODEL: ("Base models to add", "plus"),
    StepKind.CHANGE_MODEL: ("Base models to change", "pencil"),
    StepKind.ORDER: ("Order to change", "chevrons-up-down"),
}


@dataclass(frozen=True)
class StepGroup:
    """The steps of one kind, as far as they are shown, with what each touches; `number` counts them all."""

    kind: StepKind
    title: str
    icon: str
    number: int
    steps: list[tuple[PlanStep, TouchedShape | None]]

    @property
    def more(self) -> int:
        """How many are not shown."""
        return self.number - len(self.steps)


@require_safe
@publishers_page
def catalog_export(request: SlipwayRequest) -> HttpResponse:
    """The active account's public shapes as a file."""
    account = publishing_account(request)
    text = write_document(read_current(account, public=True).document)
    response = HttpResponse(text, content_type="application/yaml; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="catalog-{account.account_id}.yaml"'
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@publishers_page
def catalog_import(request: SlipwayRequest) -> HttpResponse:
    """Upload a file; with `?upload=`, review what it would do, all of it in a file with `&plan=text` or `&plan=json`.

    With `&renew=1` the plan brings the shapes that are there to the newest common launch fields, too.
    A POST without a file applies what was reviewed; one of `bundled` reviews, or dismisses, what came with Slipway.
    """
    account = publishing_account(request)
    if request.method != "POST":
        if number := request.GET.get("upload"):
            kept = _kept(request, account, number)
            return _plan_file(request, kept) if "plan" in request.GET else _review(request, kept)
        return _upload_page(request, account)
    if moved := wrong_account(request):
        return _upload_page(request, account, refusal=moved.message, status=HTTPStatus.CONFLICT)
    if "upload" in request.POST:
        return _apply(request, _kept(request, account, request.POST["upload"]))
    if "bundled" in request.POST:
        return _bundled(request, account)
    return _upload(request, account)


def _upload(request: SlipwayRequest, account: Account) -> HttpResponse:
    file = request.FILES.get("file")
    if not isinstance(file, UploadedFile):
        return _upload_page(request, account, refusal="Choose a file: a catalog file (YAML) of up to 4 MiB.")
    return _keep(request, account, read_limited(file), source=file.name or "upload")


def _keep(
    request: SlipwayRequest, account: Account, data: bytes, *, source: str, bundled: bool = False
) -> HttpResponse:
    assert isinstance(request.user, User), "publishers are signed in"
    try:
        kept = keep_import(
            actor=actor_of(request),
            user=request.user,
            account=account,
            data=data,
            source=source,
            now=timezone.now(),
            bundled=bundled,
        )
        _plan(request, kept)
    except DocumentError as error:
        return _upload_page(request, account, problems=error)
    return see_other(f"{reverse('catalog_import')}?{urlencode({'upload': kept.pk})}")


def _bundled(request: SlipwayRequest, account: Account) -> HttpResponse:
    """Review the file that came with Slipway, or dismiss it."""
    require_manager(actor_of(request), account)
    file = bundled_files().get(account.account_id)
    if file is None:
        raise NotFound(f"No catalog file of {account} comes with Slipway.")
    if request.POST["bundled"] != "dismiss":
        return _keep(request, account, file.text.encode(), source=file.source, bundled=True)
    try:
        dismiss_bundled(actor=actor_of(request), account=account, sha256=request.POST.get("sha256", ""))
    except Conflict as refusal:
        return _upload_page(request, account, refusal=refusal.message, status=HTTPStatus.CONFLICT)
    messages.success(request, f"{file.source} is not offered to {account} any more; a later one will be.")
    return see_other(reverse("publish"))


def _kept(request: SlipwayRequest, account: Account, number: str) -> CatalogImport:
    """The reader's own upload for the active account. Errors: `NotFound`."""
    assert isinstance(request.user, User), "publishers are signed in"
    found = find_import(account, request.user, number, now=timezone.now())
    if found is None:
        raise NotFound("There is no such upload; it was applied, or is more than a day old. Upload the file again.")
    return found


def _renews(request: SlipwayRequest) -> bool:
    return (request.POST if request.method == "POST" else request.GET).get("renew") == "1"


def _plan(request: SlipwayRequest, kept: CatalogImport) -> Plan:
    """What applying the upload would do now. Errors: `DocumentError`."""
    document = read_document(kept.text, source=kept.source)
    return plan_catalog(
        actor=actor_of(request),
        document=document,
        file=kept.sha256,
        source=kept.source,
        prune=not kept.bundled,
        renew=_renews(request),
    )


def _apply(request: SlipwayRequest, kept: CatalogImport) -> HttpResponse:
    try:
        expected = request.POST.get("plan", "")
        done = apply_import(actor=actor_of(request), kept=kept, expected=expected, renew=_renews(request))
    except Conflict as refusal:
        return _review(request, kept, refusal=refusal.message, status=HTTPStatus.CONFLICT)
    except DocumentError as error:
        return _upload_page(request, kept.account, problems=error)
    except FailedPrecondition as refusal:
        return _review(request, kept, refusal=refusal.message, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    told = summary(done, done=True).capitalize() or "Nothing was to do"
    messages.success(request, f"The catalog is as {kept.source} says. {told}.")
    return see_other(f"{reverse('publish')}?show=shapes")


def _review(
    request: SlipwayRequest, kept: CatalogImport, *, refusal: str = "", status: HTTPStatus = HTTPStatus.OK
) -> HttpResponse:
    try:
        plan = _plan(request, kept)
    except DocumentError as error:
        return _upload_page(request, kept.account, problems=error)
    context = {
        "section": "publish",
        "account": kept.account,
        "kept": kept,
        "plan": plan,
        "groups": _groups(plan, kept.account),
        "older_fields": has_older_fields(kept.account),
        "asked": urlencode({"upload": kept.pk} | ({"renew": 1} if plan.renew else {})),
        "refusal": refusal,
    }
    return render(request, "publishing/import_review.html", context, status=status)


def _plan_file(request: SlipwayRequest, kept: CatalogImport) -> HttpResponse:
    """Every step with every field, as `plan_catalog` prints it."""
    try:
        plan = _plan(request, kept)
    except DocumentError as error:
        return _upload_page(request, kept.account, problems=error)
    if request.GET["plan"] != "json":
        return HttpResponse(f"{plan_text(plan)}\n", content_type="text/plain; charset=utf-8")
    response = HttpResponse(f"{json.dumps(plan.as_json(), indent=2)}\n", content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="plan-{kept.account.account_id}.json"'
    return response


def _groups(plan: Plan, account: Account) -> list[StepGroup]:
    kinds = {kind: [step for step in plan.steps if step.kind is kind] for kind in TITLES}
    shown = {kind: steps[:MOST_STEPS] for kind, steps in kinds.items()}
    there = [step.short_name for steps in shown.values() for step in steps if _changes_a_shape(step)]
    touched = touched_shapes(account, there, now=timezone.now())
    return [
        StepGroup(
            kind,
            *TITLES[kind],
            number=len(steps),
            steps=[(step, touched.get(step.short_name) if _changes_a_shape(step) else None) for step in shown[kind]],
        )
        for kind, steps in kinds.items()
        if steps
    ]


def _changes_a_shape(step: PlanStep) -> bool:
    """Whether it changes what a shape's name stands for, or warns from it, so that launches are of interest."""
    return step.kind in {StepKind.CHANGE, StepKind.DEPRECATE} or bool(step.kind is StepKind.ADD and step.note)


def _upload_page(
    request: SlipwayRequest,
    account: Account,
    *,
    refusal: str = "",
    problems: DocumentError | None = None,
    status: HTTPStatus = HTTPStatus.UNPROCESSABLE_ENTITY,
) -> HttpResponse:
    context: dict[str, Any] = {
        "section": "publish",
        "account": account,
        "refusal": refusal,
        "problems": problems.problems if problems else [],
        "unread": problems is not None and problems.unread,
        "megabytes": MAX_BYTES // 1024**2,
        "applied": applied_file(account),
        "offers": [offer] if (offer := offer_for(actor_of(request), account)) else [],
    }
    wrong = refusal or problems
    return render(request, "publishing/import.html", context, status=status if wrong else HTTPStatus.OK)
