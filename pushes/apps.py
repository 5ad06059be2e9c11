from django.apps import AppConfig


class PushesConfig(AppConfig):
    """Weights on their way to a directory or a bucket."""

    name = "pushes"
