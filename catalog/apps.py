from django.apps import AppConfig


class CatalogConfig(AppConfig):
    """Base models, training shapes and their versions, and following what connections offer."""

    name = "catalog"
