from django.apps import AppConfig


class DatasetsConfig(AppConfig):
    """Files that recipes train on."""

    name = "datasets"
