"""URLs of deployments, below /v1/, and of all jobs, which may name one."""

from __future__ import annotations

from django.urls import path

from deployments.api import jobs, views

_ALL = "accounts/<str:account>/deployments"

urlpatterns = [
    path("accounts/<str:account>/rlorTrainerJobs", jobs.HotLoadedJobsView.as_view(), name="api_jobs"),
    path(_ALL, views.DeploymentsView.as_view(), name="api_deployments"),
    path(f"{_ALL}/<str:deployment>", views.DeploymentView.as_view(), name="api_deployment"),
]
