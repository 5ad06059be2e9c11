"""URLs of the datasets app."""

from __future__ import annotations

from django.urls import path

from datasets.views.dataset_list import datasets
from datasets.views.dataset_page import dataset, dataset_delete, dataset_file
from datasets.views.tokens import dataset_tokens
from datasets.views.upload import dataset_new, dataset_pieces

urlpatterns = [
    path("datasets", datasets, name="datasets"),
    path("datasets/new", dataset_new, name="dataset_new"),
    path("datasets/<uuid:uid>", dataset, name="dataset"),
    path("datasets/<uuid:uid>/pieces", dataset_pieces, name="dataset_pieces"),
    path("datasets/<uuid:uid>/file", dataset_file, name="dataset_file"),
    path("datasets/<uuid:uid>/tokens", dataset_tokens, name="dataset_tokens"),
    path("datasets/<uuid:uid>/delete", dataset_delete, name="dataset_delete"),
]
