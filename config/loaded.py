"""Loads what the processes of Slipway need, so that they can be forked off the one that called this.

So they share it in memory and start at once. Nothing here may open a connection or start a thread, and what a process
does for itself once it serves (`config.asgi`) stays out.
"""

from __future__ import annotations

import os
from importlib import import_module

from config.counting_folder import choose_folder

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
choose_folder()

import django  # noqa: E402

django.setup()

OF_WEB = (
    "config.urls",
    "config.access",
    "config.bodies",
    "config.handler",
    "config.key_limit",
    "config.load",
    "deployments.gateway",
    "downloads.handover",
    "granian.server",
    "launches.gateway.application",
    "launches.live.streams",
)
OF_OTHERS = (
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.bin.celery",
    "celery.concurrency.prefork",
    "celery.worker.consumer",
    "config.beat",
    "connections.providers.local.trainer_host",
    "django.core.management.commands.migrate",
)


def load_web() -> None:
    """What the web server's processes need, with what Django would leave to their first requests."""
    for name in OF_WEB:
        import_module(name)
    import_module("config.celery").app.loader.import_default_modules()
    import_module("django.urls").get_resolver().url_patterns  # noqa: B018 -- reading it loads it
    import_module("django.db.migrations.loader").MigrationLoader(None)  # which are compared with the tables


def load_all() -> None:
    """What any process of `./run` needs."""
    load_web()
    for name in OF_OTHERS:
        import_module(name)
