"""URLs of the pushes app."""

from __future__ import annotations

from django.urls import path

from pushes.views.pushes import checkpoint_pushes, model_pushes

urlpatterns = [
    path("models/<slug:account>/<slug:model_id>/pushes", model_pushes, name="model_pushes"),
    path("launches/<uuid:uid>/saves/<slug:kind>/<slug:name>/pushes", checkpoint_pushes, name="checkpoint_pushes"),
]
