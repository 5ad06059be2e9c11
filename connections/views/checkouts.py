"""Checkouts of the public cookbook: the list with their environments, a form, taking one away. For superusers."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from accounts.actors import require_superuser
from accounts.requests import SlipwayRequest, actor_of, see_other
from connections.domain.remove_checkout import remove_checkout
from connections.domain.set_checkout import set_checkout
from connections.forms import CheckoutForm
from connections.models import CookbookCheckout
from connections.opened import place_for_runs
from connections.providers.errors import ProviderError
from connections.providers.runs import EnvironmentState, RecipeEnvironment
from connections.views.access import connections_page
from wire.errors import InvalidArgument, NotFound, Violation

NO_PLACE = "No connection lets recipes run on this machine, so those of checkouts are not offered."


@dataclass(frozen=True)
class ShownCheckout:
    """One of them with what its recipes run in; `environment` is None where nobody can say."""

    row: CookbookCheckout
    environment: RecipeEnvironment | None


@require_safe
@connections_page
def checkouts(request: SlipwayRequest) -> HttpResponse:
    """All of them, by name, each with its environment: the page follows while one is being made."""
    require_superuser(actor_of(request))
    rows, trouble = _shown()
    making = any(each.environment and each.environment.state is EnvironmentState.MAKING for each in rows)
    context = {"section": "connections", "rows": rows, "trouble": trouble, "is_moving": making}
    return render(request, "connections/checkouts.html", context)


def _shown() -> tuple[list[ShownCheckout], str]:
    """With why their environments cannot be looked at, "" where they can."""
    rows = list(CookbookCheckout.objects.all())
    try:
        runs = place_for_runs()
        if runs is not None:
            return [ShownCheckout(row, runs.environment(row.as_told)) for row in rows], ""
        trouble = NO_PLACE
    except ProviderError as error:
        trouble = str(error)
    return [ShownCheckout(row, None) for row in rows], trouble


@require_http_methods(["GET", "HEAD", "POST"])
@connections_page
def checkout_new(request: SlipwayRequest) -> HttpResponse:
    """Its form; on POST name it."""
    require_superuser(actor_of(request))
    return _filled(request, None)


@require_http_methods(["GET", "HEAD", "POST"])
@connections_page
def checkout_edit(request: SlipwayRequest, name: str) -> HttpResponse:
    """What it says; on POST what it says from now on."""
    return _filled(request, _own(request, name))


@require_http_methods(["GET", "HEAD", "POST"])
@connections_page
def checkout_remove(request: SlipwayRequest, name: str) -> HttpResponse:
    """Say what it touches, and ask; or take it away."""
    row = _own(request, name)
    if request.method != "POST":
        return render(request, "connections/checkout_remove.html", {"section": "connections", "row": row})
    remove_checkout(actor=actor_of(request), checkout=row)
    messages.success(request, f"The recipes of {row.name} are offered no more.")
    return see_other(reverse("checkouts"))


def _filled(request: SlipwayRequest, row: CookbookCheckout | None) -> HttpResponse:
    form = CheckoutForm(request.POST if request.method == "POST" else None, row=row)
    if form.is_bound and form.is_valid():
        name = row.name if row else form.cleaned_data["name"].strip()
        said = {field: form.cleaned_data[field] for field in ("path", "commit", "sdk")}
        try:
            if row is None and CookbookCheckout.objects.filter(name=name).exists():
                raise InvalidArgument([Violation("name", f"There is a checkout {name!r} already; edit that one.")])
            saved = set_checkout(actor=actor_of(request), name=name, **said)
        except InvalidArgument as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, f"The recipes of {saved.name} are those of commit {saved.commit[:12]}.")
            return see_other(reverse("checkouts"))
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    context = {"section": "connections", "form": form, "row": row}
    return render(request, "connections/checkout.html", context, status=status)


def _own(request: SlipwayRequest, name: str) -> CookbookCheckout:
    """Errors: `PermissionDenied`, `NotFound`."""
    require_superuser(actor_of(request))
    row = CookbookCheckout.objects.filter(name=name).first()
    if row is None:
        raise NotFound(f"There is no checkout {name!r}.")
    return row
