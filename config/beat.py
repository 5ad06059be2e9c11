"""Beat, which only sends names of tasks at their times, and so loads neither the tasks nor Django's apps."""

from __future__ import annotations

import logging.config
from importlib import import_module

from celery.apps import beat
from django.conf import settings


class LeanBeat(beat.Beat):  # type: ignore[misc]
    """What `celery -A config beat` runs (`config.celery`)."""

    def init_loader(self) -> None:
        """In place of loading all tasks: only what listens to what beat sends."""
        logging.config.dictConfig(settings.LOGGING)
        import_module("config.pulses")
        self.app.finalize()
