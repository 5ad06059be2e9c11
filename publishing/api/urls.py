"""URLs of training shapes and versions, below /v1/."""

from __future__ import annotations

from django.urls import path

from catalog.api.views import ShapeVersions
from publishing.api import views

_SHAPE = "accounts/<str:account>/trainingShapes/<str:shape>"

urlpatterns = [
    path("accounts/<str:account>/trainingShapes", views.TrainingShapes.as_view(), name="api_shapes"),
    path(_SHAPE, views.TrainingShape.as_view(), name="api_shape"),
    path(f"{_SHAPE}/versions", ShapeVersions.as_view(), name="api_versions"),
    path(f"{_SHAPE}/versions/<str:version>", views.ShapeVersionView.as_view(), name="api_version"),
]
