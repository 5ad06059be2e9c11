from django.apps import AppConfig


class PublishingConfig(AppConfig):
    """Drafts, validation, publishing, and their pages."""

    name = "publishing"
