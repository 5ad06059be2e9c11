"""The tasks of validations, as beat and the worker run them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from config.celery import app
from publishing.models import Validation
from tests.publishing.makers import make_validation

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def empty_queue() -> None:
    """What other tests hinted is gone, and every task is known, as in a worker."""
    app.loader.import_default_modules()
    app.control.purge()


def next_message() -> tuple[str, list[Any]] | None:
    """What a worker would be given now: a task's name and its arguments."""
    with app.connection_for_read() as connection:
        message = app.amqp.queues["slipway"](connection.default_channel).get(no_ack=True)
    return message and (message.headers["task"], message.payload[0])


def run(task: str, *arguments: Any) -> None:
    """Do the task in this process."""
    app.tasks[task].apply(arguments, throw=True)


def test_everything_that_beat_sends_is_a_task(settings: Settings) -> None:
    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} <= set(app.tasks)


def test_what_finds_work_waits_behind_no_hints(settings: Settings) -> None:
    sent = {entry["task"]: entry["options"]["expires"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    soon = {task for task, expires in sent.items() if expires <= 60}
    assert {"launches.sweep", "pushes.sweep", "config.pulse"} <= soon
    assert {task: route["queue"] for task, route in settings.CELERY_TASK_ROUTES.items()} == dict.fromkeys(soon, "pulse")


def test_beat_has_overdue_validations_hinted_and_a_hint_takes_one_a_step_further(settings: Settings) -> None:
    validation = make_validation()
    beat = settings.CELERY_BEAT_SCHEDULE["validations"]
    assert beat["schedule"] <= 10
    run(beat["task"])
    assert next_message() is None, "nothing is overdue"
    late = timezone.now() - timedelta(minutes=1)
    Validation.objects.filter(pk=validation.pk).update(next_check_at=late)
    run(beat["task"])
    hinted = next_message()
    assert hinted == ("publishing.advance", [validation.pk])
    run(hinted[0], *hinted[1])
    validation.refresh_from_db()
    assert validation.state == "STATIC"
    assert next_message() == hinted, "the next step is hinted at once"


def test_a_hint_for_a_validation_that_is_gone_does_nothing() -> None:
    run("publishing.advance", 0)
    assert next_message() is None
