"""What the page of a connection asks a superuser once: which GPU shapes get there that name none."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.requests import SlipwayRequest
from catalog.labels import accelerator_label
from catalog.unnamed import unnamed_on
from connections.providers.unnamed import NO_TYPE
from connections.views.access import connections_page, own_connection
from wire.counts import quantity


@require_safe
@connections_page
def connection_unnamed(request: SlipwayRequest, name: str) -> HttpResponse:
    """The question with its form, for HTMX to put into the page, or a page of its own; nothing where there is none."""
    row = own_connection(request, name)
    asked = unnamed_on(row)
    context = {
        "section": "connections",
        "row": row,
        "asked": asked,
        "shapes": f"{'At least ' if asked.is_more else ''}{quantity(asked.shapes, 'shape')}" if asked else "",
        "types": [(kind, accelerator_label(kind)) for kind in asked.question.types] if asked else [],
        "none": NO_TYPE,
    }
    template = "catalog/unnamed_question.html" if request.htmx else "catalog/unnamed.html"
    return render(request, template, context)
