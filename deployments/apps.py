from django.apps import AppConfig


class DeploymentsConfig(AppConfig):
    """Deployments."""

    name = "deployments"
