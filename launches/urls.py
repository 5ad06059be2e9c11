"""URLs of the launches app, but for those whose verbs are of launch sets: `deployments.urls`."""

from __future__ import annotations

from django.urls import path

from launches.views.adopt_trainer import unknown_trainer_adopt
from launches.views.compare_models import models_compare
from launches.views.connect import connect
from launches.views.downloads import checkpoint, checkpoint_archive, checkpoint_file, signed_download
from launches.views.launch_actions import launch_discard, launch_extend, launch_going_on, launch_keep
from launches.views.launch_check import launch_check
from launches.views.launch_form import launch_clone, launch_preview
from launches.views.launch_list import launches, shape_launches
from launches.views.launch_page import launch, launch_metrics, launch_panel
from launches.views.missing_launches import missing_end, missing_look
from launches.views.model_downloads import model_archive, model_file, model_manifest, signing_key
from launches.views.model_list import models
from launches.views.model_page import model, model_delete, model_rename
from launches.views.of_dataset import dataset_launches
from launches.views.on_connection import (
    connection_cancel_waiting,
    connection_launches,
    connections_running,
)
from launches.views.promote import checkpoint_promote
from launches.views.recipe_script import launch_script
from launches.views.unknown_trainers import unknown_trainer_end, unknown_trainers

_CHECKPOINT = "launches/<uuid:uid>/saves/<slug:kind>/<slug:name>"

urlpatterns = [
    path("shapes/<slug:account_id>/<slug:shape_id>/launch/preview", launch_preview, name="launch_preview"),
    path("shapes/<slug:account_id>/<slug:shape_id>/launch/check", launch_check, name="launch_check"),
    path("shapes/<slug:account_id>/<slug:shape_id>/launches", shape_launches, name="shape_launches"),
    path("connect", connect, name="connect"),
    path("connections-running", connections_running, name="connections_running"),
    path("connections/<slug:name>/launches", connection_launches, name="connection_launches"),
    path("connections/<slug:name>/cancel-waiting", connection_cancel_waiting, name="connection_cancel_waiting"),
    path("launches", launches, name="launches"),
    path("launches/unknown", unknown_trainers, name="unknown_trainers"),
    path("launches/unknown/<int:number>/end", unknown_trainer_end, name="unknown_trainer_end"),
    path("launches/unknown/<int:number>/adopt", unknown_trainer_adopt, name="unknown_trainer_adopt"),
    path("launches/missing/<int:number>/look", missing_look, name="missing_look"),
    path("launches/missing/<int:number>/end", missing_end, name="missing_end"),
    path("datasets/<uuid:uid>/launches", dataset_launches, name="dataset_launches"),
    path("launches/<uuid:uid>", launch, name="launch"),
    path("launches/<uuid:uid>/script.py", launch_script, name="launch_script"),
    path("launches/<uuid:uid>/panel", launch_panel, name="launch_panel"),
    path("launches/<uuid:uid>/metrics", launch_metrics, name="launch_metrics"),
    path("launches/<uuid:uid>/keep", launch_keep, name="launch_keep"),
    path("launches/<uuid:uid>/going-on", launch_going_on, name="launch_going_on"),
    path("launches/<uuid:uid>/extend", launch_extend, name="launch_extend"),
    path("launches/<uuid:uid>/checkpoints/discard", launch_discard, name="launch_discard"),
    path(_CHECKPOINT, checkpoint, name="checkpoint"),
    path(f"{_CHECKPOINT}/archive", checkpoint_archive, name="checkpoint_archive"),
    path(f"{_CHECKPOINT}/files/<path:path>", checkpoint_file, name="checkpoint_file"),
    path("launches/<uuid:uid>/checkpoints/<slug:name>/promote", checkpoint_promote, name="checkpoint_promote"),
    path("models", models, name="models"),
    path("models/compare", models_compare, name="models_compare"),
    path("models/<slug:account>/<slug:model_id>", model, name="model"),
    path("models/<slug:account>/<slug:model_id>/archive", model_archive, name="trained_model_archive"),
    path("models/<slug:account>/<slug:model_id>/files/<path:path>", model_file, name="trained_model_file"),
    path("models/<slug:account>/<slug:model_id>/manifest", model_manifest, name="trained_model_manifest"),
    path("signing-key.pem", signing_key, name="signing_key"),
    path("models/<slug:account>/<slug:model_id>/rename", model_rename, name="trained_model_rename"),
    path("models/<slug:account>/<slug:model_id>/delete", model_delete, name="model_delete"),
    path("launches/<uuid:uid>/clone", launch_clone, name="launch_clone"),
    path("downloads/<str:token>/<str:name>", signed_download, name="signed_download"),
]
