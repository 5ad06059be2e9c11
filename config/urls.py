"""Every URL of Slipway, on one screen together with each app's own."""

from __future__ import annotations

from importlib import import_module

from django.contrib import admin
from django.urls import include, path, re_path

from api.docs import docs, openapi
from api.views import UnservedView
from config import health, metrics
from config.errors import PROGRAMS
from config.theme import set_theme
from deployments.api.inference import InferenceModelsView

handler400 = "config.errors.bad_request"
handler500 = "config.errors.server_error"

_ROOMS = ("publishing.api", "api", "catalog.api", "datasets.api", "launches.api", "deployments.api")
_API = [pattern for room in _ROOMS for pattern in import_module(f"{room}.urls").urlpatterns]
"""As one list: in six, each request went through five that had nothing for it."""

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("statusz", health.statusz, name="statusz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("version", health.version_of, name="version"),
    path("theme", set_theme, name="set_theme"),
    path("admin/", admin.site.urls),
    path("v1/", include(_API)),
    path("inference/v1/models", InferenceModelsView.as_view(), name="api_inference_models"),
    path("api/openapi.json", openapi, name="openapi"),
    path("api/docs", docs, name="docs"),
    re_path(rf"^(?:{PROGRAMS.pattern})", UnservedView.as_view(), name="api_nothing"),
    path("", include("accounts.urls")),
    path("", include("catalog.urls")),
    path("", include("connections.urls")),
    path("", include("datasets.urls")),
    path("", include("launches.urls")),
    path("", include("deployments.urls")),
    path("", include("publishing.urls")),
    path("", include("pushes.urls")),
]
