"""The launch form's question what would become of it, which launches nothing."""

from __future__ import annotations

import uuid
from http import HTTPStatus

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from accounts.refusals import status_of
from accounts.requests import SlipwayRequest, actor_of, moved_account
from launches.domain.check_launch import CheckedLaunch, check_launch
from launches.pages.forms import read_inputs
from launches.views.launch_form import Posted, as_latest, form_context, shown_version
from wire.errors import InvalidArgument, PermissionDenied, Refusal


@require_POST
@login_required
@never_cache
def launch_check(request: SlipwayRequest, account_id: str, shape_id: str) -> HttpResponse:
    """The form as it was, and what each connection and the engine of the one that takes it say of it."""
    version = shown_version(request, account_id, shape_id, request.POST.get("version", ""))
    inputs, repeated = read_inputs(request.POST.lists())
    posted = Posted(inputs, request.POST.get("idempotency_key", ""), repeated)
    checked: CheckedLaunch | None = None
    refusal: Refusal | None = InvalidArgument(repeated) if repeated else None
    try:
        active, shown = request.standing.account, request.POST.get("account")
        if active is None:
            raise PermissionDenied("You are a member of no account, so there is nowhere for a launch to go.")
        if shown is not None and shown != active.account_id:  # a second tab may have switched
            raise moved_account(request, active, shown, again=f"check it again for {active.account_id}")
        if not repeated:
            checked = check_launch(
                actor=actor_of(request),
                account=active,
                version=version,
                inputs=inputs,
                idempotency_key=uuid.uuid4().hex,
                as_latest=as_latest(request, version),
            )
    except Refusal as refused:
        refusal = refused
    context = form_context(request, version, posted, refusal=refusal)
    context |= {"checked": checked, "check_refused": refusal, "wrong": isinstance(refusal, InvalidArgument)}
    if request.htmx:
        return render(request, "launches/preview.html", context)
    status = status_of(refusal) if refusal else HTTPStatus.OK
    return render(request, "launches/form.html", context, status=status)
