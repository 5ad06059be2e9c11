"""The project as an app of Django: for its commands, and so that every process sends its tasks by our Celery."""

from __future__ import annotations

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """Of `config`, which imports nothing heavy by itself: the web server's first process reads `config.logs` alone."""

    name = "config"

    def ready(self) -> None:
        import config.celery  # noqa: F401, PLC0415  # once the settings are there
