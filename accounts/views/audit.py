"""The audit log of the active account, as a page and as CSV."""

from __future__ import annotations

from collections.abc import AsyncIterator
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
from accounts.audit_filters import AUDIT, AUDIT_WITHOUT_PERSONS, verb_in_words
from accounts.audit_queries import choices_of, entries_in_chunks, list_entries
from accounts.audit_verbs import PERSONAL_VERBS
from accounts.differences import differences
from accounts.models import Account, AuditEntry
from accounts.refusals import status_of
from accounts.requests import NO_ACCOUNT, SlipwayRequest, actor_of
from accounts.roles import Right, allows
from lists.filters import FilterControl, ListQuery
from lists.pages import show
from queues.bulkheads import Bulkhead, step_aside
from wire.errors import NotFound, Refusal

_READING = Bulkhead(at_once=1, most_waiting=100, longest_wait=60)
"""Of chunks of the CSV. Who is refused in the middle of a file sees that it broke off."""


@require_safe
@login_required
@never_cache
def audit(request: SlipwayRequest) -> HttpResponse:
    """Entries, newest first, as `AUDIT` declares; `before` is a page's cursor."""
    account = request.standing.account
    if account is None:
        return _page(request, None)
    try:
        require(actor_of(request), account, Right.READ_AUDIT)
    except Refusal as refusal:
        return _page(request, account, refusal=refusal)
    return _page(request, account, readable=True)


@require_safe
@login_required
@never_cache
def audit_csv(request: SlipwayRequest) -> HttpResponseBase:
    """The same entries, all of them, as a file."""
    account, asked = request.standing.account, _asked(request)
    try:
        if account is None:
            raise NotFound(NO_ACCOUNT)
        require(actor_of(request), account, Right.READ_AUDIT)
    except Refusal as refusal:
        return _page(request, account, refusal=refusal)
    if asked.problems:
        return _page(request, account, readable=True)
    step_aside()
    name = f"audit-{account}-{timezone.now():%Y-%m-%d}.csv"
    return StreamingHttpResponse(
        _csv(account, asked, personal=_sees_persons(request)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _sees_persons(request: SlipwayRequest) -> bool:
    """Whether the reader sees sign-ins, and from which addresses things were done."""
    return allows(request.standing.role, Right.READ_SIGN_INS)


def _asked(request: SlipwayRequest) -> ListQuery:
    """What was asked for, without the filter of addresses for who sees none."""
    return (AUDIT if _sees_persons(request) else AUDIT_WITHOUT_PERSONS).read(request.GET)


async def _csv(account: Account, asked: ListQuery, *, personal: bool) -> AsyncIterator[str]:
    """Asynchronous, because under ASGI Django would gather all of a plain iterator before it sends anything.

    Who reads slowly holds neither a place of the pages nor a connection meanwhile, and who reads a chunk does so alone.
    """
    yield head(personal=personal)
    chunks = entries_in_chunks(account, asked, personal=personal)

    def read() -> list[AuditEntry]:
        try:
            return next(chunks, [])
        finally:
            step_aside()

    more = True
    while more:
        async with _READING.place():
            chunk = await sync_to_async(read)()
        if more := bool(chunk):
            yield lines_of(chunk, personal=personal)


def _page(
    request: SlipwayRequest, account: Account | None, *, readable: bool = False, refusal: Refusal | None = None
) -> HttpResponse:
    context: dict[str, Any] = {
        "account": account,
        "refusal": refusal.message if refusal else "",
        "address_days": settings.SLIPWAY_ADDRESS_DAYS,
    }
    status = status_of(refusal) if refusal else HTTPStatus.OK
    if readable and account is not None:
        personal, asked = _sees_persons(request), _asked(request)
        context |= {"readable": True, "personal": personal, "controls": _controls(account, asked, personal=personal)}
        if asked.problems:
            context["problems"], status = asked.refusals, HTTPStatus.UNPROCESSABLE_ENTITY
        else:
            context |= _entries(account, asked, personal=personal)
    return render(
        request, "accounts/audit_rows.html" if request.htmx else "accounts/audit.html", context, status=status
    )


def _controls(account: Account, asked: ListQuery, *, personal: bool) -> tuple[FilterControl, ...]:
    """The filters with what they offer."""
    hidden = set() if personal else set(PERSONAL_VERBS)
    actors = sorted(choices_of(account, "actor_label"), key=str.lower)
    verbs = [verb for verb in choices_of(account, "verb") if verb not in hidden]
    return asked.controls(
        actor=[(actor, actor) for actor in actors], verb=[(verb, verb_in_words(verb)) for verb in verbs]
    )


def _entries(account: Account, asked: ListQuery, *, personal: bool) -> dict[str, Any]:
    page = show(asked.cursor, lambda cursor: list_entries(account, asked, personal=personal, cursor=cursor))
    here = reverse("audit")
    return {
        "rows": [(entry, verb_in_words(entry.verb), differences(entry.before, entry.after)) for entry in page.rows],
        "in_force": asked.in_words,
        "csv_url": reverse("audit_csv") + asked.address(),
        **page.links(lambda cursor: here + asked.page_address(cursor)),
    }
