"""Every URL of Slipway, on one screen together with each app's own."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from config import health
from config.theme import set_theme

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("theme", set_theme, name="set_theme"),
    path("admin/", admin.site.urls),
    path("", include("accounts.urls")),
    path("", include("catalog.urls")),
    path("", include("launches.urls")),
]
