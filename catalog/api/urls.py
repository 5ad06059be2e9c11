"""URLs of the catalog's resources, below /v1/.

Shapes and versions stand with their writers, in publishing, and a single model with its own, in launches.
"""

from __future__ import annotations

from django.urls import path

from catalog.api import views

urlpatterns = [
    path("accounts/<str:account>/models", views.ModelsView.as_view(), name="api_models"),
]
