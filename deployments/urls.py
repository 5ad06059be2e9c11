"""URLs of the deployments app."""

from __future__ import annotations

from django.urls import path

from deployments.views.deployment_actions import deployment_delete, deployment_scale
from deployments.views.deployment_list import deployments, orphans
from deployments.views.deployment_page import deployment, deployment_panel

urlpatterns = [
    path("deployments", deployments, name="deployments"),
    path("deployments/orphans", orphans, name="orphans"),
    path("deployments/<uuid:uid>", deployment, name="deployment"),
    path("deployments/<uuid:uid>/panel", deployment_panel, name="deployment_panel"),
    path("deployments/<uuid:uid>/scale", deployment_scale, name="deployment_scale"),
    path("deployments/<uuid:uid>/delete", deployment_delete, name="deployment_delete"),
]
