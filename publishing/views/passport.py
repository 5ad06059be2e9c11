"""A version's passport: what its validation measured, or who vouches for it."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.requests import SlipwayRequest
from catalog.models import ShapeVersion
from catalog.version_queries import find_version
from catalog.views.access import catalog_reader, member_of
from connections.queries import find_connection
from publishing.models import Validation
from publishing.passport import is_expired, passport_facts
from publishing.states import ValidationKind
from publishing.validation_queries import failed_since, passport_of


@require_safe
@catalog_reader
@never_cache
def passport(request: SlipwayRequest, account_id: str, shape_id: str, version_id: str) -> HttpResponse:
    """For everybody who may see the version: a card for its shape's page, or a page. User names are for members."""
    version = version_of(request, account_id, shape_id, version_id)
    context = {
        "section": "catalog",
        "version": version,
        "shape": version.shape,
        "member": version.shape.account_id in member_of(request),
        **passport_context(passport_of(version)),
    }
    template = "publishing/passport.html" if request.htmx else "publishing/passport_page.html"
    return render(request, template, context)


def version_of(request: SlipwayRequest, account_id: str, shape_id: str, version_id: str) -> ShapeVersion:
    """The version that the URL names. Errors: `Http404` for what the reader may not see."""
    version = find_version(member_of(request), account_id, shape_id, version_id)
    if version is None:
        raise Http404("There is no such version.")
    return version


def passport_context(found: Validation | None) -> dict[str, Any]:
    """What the card shows of a validation that passed; None where there is none."""
    if found is None:
        return {"passport": None}
    connection = find_connection(found.provider)
    return {
        "passport": found,
        "by_hand": found.kind == ValidationKind.BY_HAND,
        "facts": passport_facts(found, provider=str(connection or found.provider)),
        "expired": is_expired(found, timezone.now()),
        "failed_since": failed_since(found),
    }
