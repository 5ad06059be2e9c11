"""Every URL of Slipway, on one screen together with each app's own."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from config import health

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("admin/", admin.site.urls),
    path("sign-in/", include("allauth.account.urls")),
    path("", include("accounts.urls")),
    path("", include("catalog.urls")),
    path("", include("launches.urls")),
]
