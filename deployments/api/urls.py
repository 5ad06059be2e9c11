"""URLs of deployments, below /v1/."""

from __future__ import annotations

from django.urls import path

from deployments.api import views

_ALL = "accounts/<str:account>/deployments"

urlpatterns = [
    path(_ALL, views.DeploymentsView.as_view(), name="api_deployments"),
    path(f"{_ALL}/<str:deployment>", views.DeploymentView.as_view(), name="api_deployment"),
]
