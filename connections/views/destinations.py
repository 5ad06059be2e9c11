"""Where weights may be pushed to: the list, a form, and taking one away. For superusers."""

from __future__ import annotations

from http import HTTPStatus

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from accounts.actors import require_superuser
from accounts.requests import SlipwayRequest, actor_of, see_other
from connections.domain.remove_destination import remove_destination
from connections.domain.set_destination import set_destination
from connections.forms import DestinationForm
from connections.models import Destination
from connections.views.access import connections_page
from wire.errors import InvalidArgument, NotFound, Violation


@require_safe
@connections_page
def destinations(request: SlipwayRequest) -> HttpResponse:
    """All of them, by name."""
    require_superuser(actor_of(request))
    return render(
        request, "connections/destinations.html", {"section": "connections", "rows": Destination.objects.all()}
    )


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("secret")
@connections_page
def destination_new(request: SlipwayRequest) -> HttpResponse:
    """Its form; on POST add it."""
    require_superuser(actor_of(request))
    return _filled(request, None)


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("secret")
@connections_page
def destination_edit(request: SlipwayRequest, name: str) -> HttpResponse:
    """What it says; on POST what it says from now on."""
    return _filled(request, _own(request, name))


@require_http_methods(["GET", "HEAD", "POST"])
@connections_page
def destination_remove(request: SlipwayRequest, name: str) -> HttpResponse:
    """Say what it touches, and ask; or take it away."""
    row = _own(request, name)
    if request.method != "POST":
        return render(request, "connections/destination_remove.html", {"section": "connections", "row": row})
    remove_destination(actor=actor_of(request), destination=row)
    messages.success(request, f"{row.name} is no destination any more; what lies there stays.")
    return see_other(reverse("destinations"))


def _filled(request: SlipwayRequest, row: Destination | None) -> HttpResponse:
    form = DestinationForm(request.POST if request.method == "POST" else None, row=row)
    if form.is_bound and form.is_valid():
        name = row.name if row else form.cleaned_data["name"].strip()
        said = {field: form.cleaned_data[field] for field in ("address", "endpoint", "region", "key_id", "secret")}
        try:
            if row is None and Destination.objects.filter(name=name).exists():
                raise InvalidArgument([Violation("name", f"There is a destination {name!r} already; edit that one.")])
            saved = set_destination(actor=actor_of(request), name=name, **said)
        except InvalidArgument as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, f"Weights can be pushed to {saved.name}, at {saved.address}.")
            return see_other(reverse("destinations"))
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    context = {"section": "connections", "form": form, "row": row}
    return render(request, "connections/destination.html", context, status=status)


def _own(request: SlipwayRequest, name: str) -> Destination:
    """Errors: `PermissionDenied`, `NotFound`."""
    require_superuser(actor_of(request))
    row = Destination.objects.filter(name=name).first()
    if row is None:
        raise NotFound(f"There is no destination {name!r}.")
    return row
