"""URLs of shapes and versions, below /v1/."""

from __future__ import annotations

from django.urls import path

from catalog.api.views import ShapeVersionsView
from publishing.api import views

_SHAPE = "accounts/<str:account>/trainingShapes/<str:shape>"
_DEPLOYMENT = "accounts/<str:account>/deploymentShapes/<str:shape>"

urlpatterns = [
    path("accounts/<str:account>/trainingShapes", views.WritableTrainingShapesView.as_view(), name="api_shapes"),
    path(_SHAPE, views.WritableTrainingShapeView.as_view(), name="api_shape"),
    path(f"{_SHAPE}/versions", ShapeVersionsView.as_view(), name="api_versions"),
    path(f"{_SHAPE}/versions/<str:version>", views.WritableShapeVersionView.as_view(), name="api_version"),
    path("accounts/<str:account>/deploymentShapes", views.DeploymentShapesView.as_view(), name="api_deployment_shapes"),
    path(_DEPLOYMENT, views.DeploymentShapeView.as_view(), name="api_deployment_shape"),
    path(f"{_DEPLOYMENT}/versions", views.DeploymentShapeVersionsView.as_view(), name="api_deployment_shape_versions"),
    path(
        f"{_DEPLOYMENT}/versions/<str:version>",
        views.WritableDeploymentVersionView.as_view(),
        name="api_deployment_shape_version",
    ),
]
