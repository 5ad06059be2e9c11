"""URLs of a trainer job, below /v1/, of what providers have of base models, and of the models made of checkpoints."""

from __future__ import annotations

from django.urls import path, re_path

from launches.api import downloads, models, tokenizers, views

_JOB = r"^accounts/(?P<account>[^/]+)/rlorTrainerJobs/(?P<job>[^/:]+)"
_MODEL = r"^accounts/(?P<account>[^/]+)/models/(?P<model>[^/:]+)"
_CHECKPOINT = rf"{_JOB}/checkpoints/(?P<checkpoint>[^/:]+)"

urlpatterns = [
    re_path(rf"{_JOB}\Z", views.TrainerJobView.as_view(), name="api_job"),
    re_path(rf"{_JOB}:cancel\Z", views.CancelTrainerJobView.as_view(), name="api_job_cancel"),
    re_path(rf"{_JOB}:resume\Z", views.ResumeTrainerJobView.as_view(), name="api_job_resume"),
    re_path(rf"{_JOB}:extend\Z", views.ExtendTrainerJobView.as_view(), name="api_job_extend"),
    re_path(rf"{_JOB}/checkpoints\Z", views.CheckpointsView.as_view(), name="api_checkpoints"),
    re_path(rf"{_CHECKPOINT}:download\Z", downloads.DownloadCheckpointView.as_view(), name="api_checkpoint_download"),
    re_path(
        rf"{_CHECKPOINT}:getDownloadEndpoint\Z", downloads.CheckpointLinksView.as_view(), name="api_checkpoint_links"
    ),
    re_path(
        r"^accounts/(?P<account>[^/]+)/checkpoints/(?P<checkpoint>[^/:]+):promote\Z",
        models.PromoteView.as_view(),
        name="api_promote",
    ),
    path("accounts/<str:account>/operations/<str:operation>", models.OperationView.as_view(), name="api_operation"),
    re_path(rf"{_MODEL}:download\Z", downloads.DownloadModelView.as_view(), name="api_model_download"),
    re_path(rf"{_MODEL}:getDownloadEndpoint\Z", downloads.ModelLinksView.as_view(), name="api_model_links"),
    path("accounts/<str:account>/models/<str:model>", models.WritableModelView.as_view(), name="api_model"),
    path(
        "accounts/<str:account>/models/<str:model>/tokenizer", tokenizers.TokenizerView.as_view(), name="api_tokenizer"
    ),
]
