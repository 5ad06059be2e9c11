from django.apps import AppConfig


class LaunchesConfig(AppConfig):
    """Launches, attempts, events."""

    name = "launches"
