"""Adding a connection, changing it, and saying who may use it."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts.actors import require_superuser
from accounts.forms import RefusableForm
from accounts.requests import SlipwayRequest, actor_of, see_other
from connections.domain.add_connection import add_connection
from connections.domain.edit_connection import edit_connection
from connections.domain.lend_connection import lend_connection
from connections.domain.pause_connection import pause_connection
from connections.forms import ConnectionForm, LendForm, PauseForm
from connections.kinds import KINDS, Kind
from connections.models import Connection
from connections.shown import ShownConnection
from connections.views.access import connections_page, own_connection
from wire.errors import InvalidArgument, NotFound


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("secret")
@connections_page
def connection_new(request: SlipwayRequest) -> HttpResponse:
    """Choose a kind; then its form; on POST add it."""
    require_superuser(actor_of(request))
    name = request.GET.get("kind", "")
    kinds = [kind for kind in KINDS.values() if not kind.one_only]
    kind = next((kind for kind in kinds if kind.name == name), None)
    if kind is None:
        return render(request, "connections/kinds.html", {"section": "connections", "kinds": kinds, "asked": name})
    form = ConnectionForm(request.POST if request.method == "POST" else None, kind=kind)

    def add() -> str:
        row = add_connection(
            actor=actor_of(request),
            name=form.cleaned_data["name"],
            kind=kind.name,
            display_name=form.cleaned_data["display_name"],
            config=form.config(),
            secret=form.cleaned_data.get("secret", ""),
        )
        messages.success(request, f"{row} is added. Test it, then say who may use it.")
        return reverse("connection", args=[row.name])

    return _filled(request, form, add, "connections/new.html", {"kind": kind})


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("secret")
@connections_page
def connection_edit(request: SlipwayRequest, name: str) -> HttpResponse:
    """What it says; on POST what it says from now on."""
    row = own_connection(request, name)
    kind = _kind_of(row)
    form = ConnectionForm(request.POST if request.method == "POST" else None, kind=kind, row=row)

    def edit() -> str:
        edit_connection(
            actor=actor_of(request),
            connection=row,
            display_name=form.cleaned_data["display_name"],
            config=form.config(),
            secret=form.cleaned_data.get("secret", ""),
            remove_secret=form.cleaned_data.get("remove_secret", False),
        )
        return _done(request, row, f"{row} is changed: the next request to it goes by what it says now.")

    return _filled(request, form, edit, "connections/edit.html", {"row": row, "shown": ShownConnection(row)})


@require_http_methods(["GET", "HEAD", "POST"])
@connections_page
def connection_lend(request: SlipwayRequest, name: str) -> HttpResponse:
    """Who may use it; on POST who may from now on."""
    row = own_connection(request, name)
    lent = {
        "for_everyone": row.for_everyone,
        "accounts": ", ".join(row.accounts.order_by("account_id").values_list("account_id", flat=True)),
        "owner": row.owner.account_id if row.owner else "",
    }
    form = LendForm(request.POST if request.method == "POST" else None, initial=lent)

    def lend() -> str:
        accounts, owner = form.chosen()
        for_everyone = form.cleaned_data["for_everyone"]
        lend_connection(
            actor=actor_of(request), connection=row, for_everyone=for_everyone, accounts=accounts, owner=owner
        )
        return _done(request, row, f"Who may use {row} is changed. What runs there goes on.")

    return _filled(request, form, lend, "connections/lend.html", {"row": row})


@require_http_methods(["GET", "HEAD", "POST"])
@connections_page
def connection_pause(request: SlipwayRequest, name: str) -> HttpResponse:
    """Ask why it should take no new launches; on POST it takes none."""
    row = own_connection(request, name)
    form = PauseForm(request.POST if request.method == "POST" else None, initial={"reason": row.pause_reason})

    def pause() -> str:
        reason = form.cleaned_data["reason"]
        pause_connection(actor=actor_of(request), connection=row, reason=reason, now=timezone.now())
        return _done(request, row, f"{row} takes no new launches. What is there is listed below, until it is empty.")

    return _filled(request, form, pause, "connections/pause.html", {"row": row})


def _kind_of(row: Connection) -> Kind:
    kind = KINDS.get(row.kind)
    if kind is None:
        raise NotFound(f"This release knows no connections of the kind {row.kind!r}.")
    return kind


def _done(request: SlipwayRequest, row: Connection, sentence: str) -> str:
    messages.success(request, sentence)
    return reverse("connection", args=[row.name])


def _filled(
    request: SlipwayRequest, form: RefusableForm, act: Callable[[], str], template: str, context: dict[str, Any]
) -> HttpResponse:
    """The form; where it was sent, the page that `act` names, or the form with what is wrong."""
    status = HTTPStatus.OK
    if form.is_bound:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        try:
            if form.is_valid():
                return see_other(act())
        except InvalidArgument as refusal:
            form.refuse(refusal)
    return render(request, template, {"section": "connections", "form": form, **context}, status=status)
