"""What a page of 50 rows costs a plain Django: one view, one join, a bare template, no middleware, the same tables.

An ASGI application, to be served as the web processes are: `/launches` and `/shapes`.
"""

from __future__ import annotations

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.conf import settings  # noqa: E402 -- models can be imported only once Django is set up
from django.core.asgi import get_asgi_application  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.template import Context, Engine  # noqa: E402
from django.urls import path  # noqa: E402

from accounts.models import Account  # noqa: E402
from catalog.models import ShapeVersion  # noqa: E402
from launches.models import Launch  # noqa: E402

ROWS = 50
TEMPLATE = Engine().from_string(
    "<!doctype html><title>Plain</title><table>{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>"
    "{% endfor %}</tr>{% endfor %}</table>"
)


def launches(_request: HttpRequest) -> HttpResponse:
    """The newest launches of the account, each with the version that it runs."""
    account = Account.objects.get(account_id="local")  # by itself: joined, Postgres would sort all that it has
    found = (
        Launch.objects.filter(account=account, deleted_at=None)
        .select_related("shape_version")
        .order_by("-created_at", "-id")
    )
    return _answer(
        [(x.job_id, x.display_name, x.state, x.created_at, x.shape_version.version_id) for x in found[:ROWS]]
    )


def shapes(_request: HttpRequest) -> HttpResponse:
    """The newest usable versions, each with its shape."""
    found = ShapeVersion.objects.filter(is_latest_validated=True).select_related("shape").order_by("-id")
    return _answer(
        [(x.shape.shape_id, x.shape.display_name, x.version_id, x.trainer_mode, x.created_at) for x in found[:ROWS]]
    )


def _answer(rows: list[tuple[object, ...]]) -> HttpResponse:
    return HttpResponse(TEMPLATE.render(Context({"rows": rows})))


urlpatterns = [path("launches", launches), path("shapes", shapes)]
settings.ROOT_URLCONF, settings.MIDDLEWARE = __name__, []
application = get_asgi_application()
