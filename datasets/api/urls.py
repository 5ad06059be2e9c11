"""URLs of datasets, below /v1/."""

from __future__ import annotations

from django.urls import path, re_path

from datasets.api import views

_DATASET = r"^accounts/(?P<account>[^/]+)/datasets/(?P<dataset>[^/:]+)"

urlpatterns = [
    path("accounts/<str:account>/datasets", views.DatasetsView.as_view(), name="api_datasets"),
    re_path(rf"{_DATASET}\Z", views.DatasetView.as_view(), name="api_dataset"),
    re_path(rf"{_DATASET}:getUploadEndpoint\Z", views.UploadEndpointView.as_view(), name="api_dataset_endpoint"),
    re_path(rf"{_DATASET}:upload\Z", views.UploadView.as_view(), name="api_dataset_upload"),
    re_path(rf"{_DATASET}:validateUpload\Z", views.ValidateUploadView.as_view(), name="api_dataset_validate"),
    re_path(rf"{_DATASET}:download\Z", views.DownloadDatasetView.as_view(), name="api_dataset_download"),
]
