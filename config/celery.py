"""The Celery application. Messages are hints that carry an id; rows are the queue (docs/ARCHITECTURE.md)."""

from __future__ import annotations

import gc
import os
import time
from functools import cached_property
from typing import Any

import structlog
from celery import Celery, Task
from celery.signals import beat_init, setup_logging, task_postrun, worker_before_create_process, worker_init
from django.db import close_old_connections

from config.keys import require_keys_or_exit

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


class SlipwayCelery(Celery):  # type: ignore[misc]
    """Celery with a beat that loads no more than it needs."""

    @cached_property
    def Beat(self) -> Any:
        return self.subclass_with_self("config.beat:LeanBeat")


app = SlipwayCelery("slipway")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

WAIT_SECONDS = 2.0
log = structlog.get_logger(__name__)


@setup_logging.connect  # type: ignore[untyped-decorator]
def leave_logging_alone(**_: Any) -> None:
    """Somebody who listens to this signal keeps Celery from a logging of its own: the settings have one."""


@beat_init.connect  # type: ignore[untyped-decorator]
@worker_init.connect  # type: ignore[untyped-decorator]
def refuse_without_keys(**_: Any) -> None:
    """Do nothing in the name of a Slipway whose keys are not here."""
    require_keys_or_exit()


@worker_init.connect  # type: ignore[untyped-decorator]
def wait_for_tables(**_: Any) -> None:
    """Take no task before the database can be asked and has the tables of this release; say what is missing, once."""
    said = ""
    while found := _obstacle():
        if found != said:
            log.warning("worker.waiting", reason=found)
        said = found
        time.sleep(WAIT_SECONDS)


@task_postrun.connect  # type: ignore[untyped-decorator]
def give_connection_back(task: Task, **_: Any) -> None:
    """As after a request: to the pool, which looks whether it is alive when the next task takes it.

    Not where the task is a part of what its caller does.
    """
    if not task.request.is_eager:
        close_old_connections()


@worker_before_create_process.connect  # type: ignore[untyped-decorator]
def share_memory(**_: Any) -> None:
    """Leave what is loaded to all processes of the pool: looking it through for garbage would copy it into each."""
    gc.freeze()


def _obstacle() -> str:
    from django.db import Error, connection  # noqa: PLC0415  # once Django is set up

    from accounts.tables import lacking  # noqa: PLC0415

    try:
        return lacking()
    except Error as error:
        return f"The database cannot be asked: {' '.join(str(error).split())}"
    finally:  # the pool's processes are forked from this one, and share no connection with it
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]
