from django.apps import AppConfig


class PublishingConfig(AppConfig):
    """The pages of publishers: drafts, validation, publishing."""

    name = "publishing"
