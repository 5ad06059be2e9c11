from django.apps import AppConfig


class LaunchesConfig(AppConfig):
    """Launches, attempts, events, providers."""

    name = "launches"
