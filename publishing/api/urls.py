"""URLs of training shapes and versions, below /v1/."""

from __future__ import annotations

from django.urls import path

from catalog.api.views import ShapeVersionsView
from publishing.api import views

_SHAPE = "accounts/<str:account>/trainingShapes/<str:shape>"

urlpatterns = [
    path("accounts/<str:account>/trainingShapes", views.WritableTrainingShapesView.as_view(), name="api_shapes"),
    path(_SHAPE, views.WritableTrainingShapeView.as_view(), name="api_shape"),
    path(f"{_SHAPE}/versions", ShapeVersionsView.as_view(), name="api_versions"),
    path(f"{_SHAPE}/versions/<str:version>", views.WritableShapeVersionView.as_view(), name="api_version"),
]
