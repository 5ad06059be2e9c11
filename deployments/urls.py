"""URLs of the deployments app, and those of launches whose verbs see to what is launched with them."""

from __future__ import annotations

from django.urls import path

from deployments.domain.cancel_launch_set import cancel_launch_set
from deployments.domain.create_launch_set import create_launch_set
from deployments.domain.delete_launch_set import delete_launch_set
from deployments.domain.resume_launch_set import resume_launch_set
from deployments.views.deploy_form import deployment_new, deployment_preview
from deployments.views.deployment_actions import deployment_delete, deployment_load, deployment_scale
from deployments.views.deployment_list import deployments, orphans
from deployments.views.deployment_page import deployment, deployment_panel
from deployments.views.launch_set import launch_set
from deployments.views.of_launch import launch_deployments
from deployments.views.of_model import model_deployments
from deployments.views.on_connection import connection_deployments, connection_retire
from deployments.views.playground import deployment_try
from deployments.views.sampling import (
    deployment_sampling,
    deployment_sampling_records,
    launch_sampling,
    launch_sampling_records,
)
from deployments.views.try_it import try_it
from deployments.views.unknown_samplers import unknown_sampler_end, unknown_samplers
from launches.views.launch_actions import launch_cancel, launch_delete, launch_resume
from launches.views.launch_form import launch_new

urlpatterns = [
    path(
        "shapes/<slug:account_id>/<slug:shape_id>/launch", launch_new, {"accept": create_launch_set}, name="launch_new"
    ),
    path("launches/<uuid:uid>/cancel", launch_cancel, {"cancel": cancel_launch_set}, name="launch_cancel"),
    path("launches/<uuid:uid>/resume", launch_resume, {"resume": resume_launch_set}, name="launch_resume"),
    path("launches/<uuid:uid>/delete", launch_delete, {"delete": delete_launch_set}, name="launch_delete"),
    path("launches/<uuid:uid>/set", launch_set, name="launch_set"),
    path("shapes/<slug:account_id>/<slug:shape_id>/deploy", deployment_new, name="deployment_new"),
    path("shapes/<slug:account_id>/<slug:shape_id>/deploy/preview", deployment_preview, name="deployment_preview"),
    path("connections/<slug:name>/deployments", connection_deployments, name="connection_deployments"),
    path("connections/<slug:name>/retire", connection_retire, name="connection_retire"),
    path("launches/<uuid:uid>/deployments", launch_deployments, name="launch_deployments"),
    path("models/<slug:account>/<slug:model_id>/deployments", model_deployments, name="model_deployments"),
    path("deployments", deployments, name="deployments"),
    path("deployments/orphans", orphans, name="orphans"),
    path("deployments/try", try_it, name="try_it"),
    path("deployments/unknown", unknown_samplers, name="unknown_samplers"),
    path("deployments/unknown/<int:number>/end", unknown_sampler_end, name="unknown_sampler_end"),
    path("deployments/<uuid:uid>", deployment, name="deployment"),
    path("deployments/<uuid:uid>/try", deployment_try, name="deployment_try"),
    path("deployments/<uuid:uid>/panel", deployment_panel, name="deployment_panel"),
    path("deployments/<uuid:uid>/sampling", deployment_sampling, name="deployment_sampling"),
    path("deployments/<uuid:uid>/sampling/records", deployment_sampling_records, name="deployment_sampling_records"),
    path("launches/<uuid:uid>/sampling", launch_sampling, name="launch_sampling"),
    path("launches/<uuid:uid>/sampling/records", launch_sampling_records, name="launch_sampling_records"),
    path("deployments/<uuid:uid>/scale", deployment_scale, name="deployment_scale"),
    path("deployments/<uuid:uid>/load", deployment_load, name="deployment_load"),
    path("deployments/<uuid:uid>/delete", deployment_delete, name="deployment_delete"),
]
