"""The audit log of the active account, as a page and as CSV."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.actors import require
from accounts.audit_csv import head, lines_of
from accounts.audit_filters import AuditFilters, verb_in_words
from accounts.audit_queries import choices_of, entries_in_chunks, list_entries
from accounts.audit_verbs import PERSONAL_VERBS
from accounts.differences import differences
from accounts.forms import AuditForm
from accounts.models import Account
from accounts.refusals import status_of
from accounts.requests import NO_ACCOUNT, SlipwayRequest, actor_of
from accounts.roles import Right, allows
from lists.pages import show
from wire.errors import NotFound, Refusal


@require_safe
@login_required
@never_cache
def audit(request: SlipwayRequest) -> HttpResponse:
    """Entries, newest first, filtered by the fields of `AuditForm`; `before` is a page's cursor."""
    account, form = request.standing.account, AuditForm(request.GET)
    if account is None:
        return _page(request, None, form)
    try:
        require(actor_of(request), account, Right.READ_AUDIT)
    except Refusal as refusal:
        return _page(request, account, form, refusal=refusal)
    return _page(request, account, form, readable=True)


@require_safe
@login_required
@never_cache
def audit_csv(request: SlipwayRequest) -> HttpResponseBase:
    """The same entries, all of them, as a file."""
    account, form = request.standing.account, AuditForm(request.GET)
    try:
        if account is None:
            raise NotFound(NO_ACCOUNT)
        require(actor_of(request), account, Right.READ_AUDIT)
    except Refusal as refusal:
        return _page(request, account, form, refusal=refusal)
    if not form.is_valid():
        return _page(request, account, form, readable=True)
    name = f"audit-{account}-{timezone.now():%Y-%m-%d}.csv"
    return StreamingHttpResponse(
        _csv(account, _asked(request, form), personal=_sees_persons(request)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _sees_persons(request: SlipwayRequest) -> bool:
    """Whether the reader sees sign-ins, and from which addresses things were done."""
    return allows(request.standing.role, Right.READ_SIGN_INS)


def _asked(request: SlipwayRequest, form: AuditForm) -> AuditFilters:
    """The filters, without that of addresses for who sees none."""
    return form.filters() if _sees_persons(request) else replace(form.filters(), address="")


async def _csv(account: Account, filters: AuditFilters, *, personal: bool) -> AsyncIterator[str]:
    """Asynchronous, because under ASGI Django would gather all of a plain iterator before it sends anything."""
    yield head(personal=personal)
    chunks = entries_in_chunks(account, filters, personal=personal)
    while chunk := await sync_to_async(lambda: next(chunks, None))():
        yield lines_of(chunk, personal=personal)


def _page(
    request: SlipwayRequest,
    account: Account | None,
    form: AuditForm,
    *,
    readable: bool = False,
    refusal: Refusal | None = None,
) -> HttpResponse:
    context: dict[str, Any] = {
        "account": account,
        "refusal": refusal.message if refusal else "",
        "form": form,
        "address_days": settings.SLIPWAY_ADDRESS_DAYS,
    }
    status = status_of(refusal) if refusal else HTTPStatus.OK
    if readable and account is not None:
        personal = _sees_persons(request)
        context |= _choices(account, form, personal=personal)
        if form.is_valid():
            context |= _entries(account, _asked(request, form), request.GET.get("before", ""), personal=personal)
        else:
            context["problems"], status = form.problems(), HTTPStatus.UNPROCESSABLE_ENTITY
    return render(
        request, "accounts/audit_rows.html" if request.htmx else "accounts/audit.html", context, status=status
    )


def _choices(account: Account, form: AuditForm, *, personal: bool) -> dict[str, Any]:
    """What the filters offer; one that is in force is there even where nothing is of it."""
    actors, verbs = choices_of(account, "actor_label"), choices_of(account, "verb")
    hidden = set() if personal else set(PERSONAL_VERBS)
    actor, verb = form["actor"].value() or "", form["verb"].value() or ""
    return {
        "readable": True,
        "personal": personal,
        "actors": sorted({*actors, actor} - {""}, key=str.lower),
        "verbs": [(name, verb_in_words(name)) for name in sorted({*verbs, verb} - {""} - hidden)],
    }


def _entries(account: Account, filters: AuditFilters, before: str, *, personal: bool) -> dict[str, Any]:
    here = reverse("audit")
    page = show(before, lambda cursor: list_entries(account, filters, personal=personal, cursor=cursor))
    return {
        "rows": [(entry, verb_in_words(entry.verb), differences(entry.before, entry.after)) for entry in page.rows],
        "in_force": filters.in_words,
        "csv_url": reverse("audit_csv") + filters.query(),
        **page.links(lambda cursor: here + filters.query(before=cursor)),
    }
