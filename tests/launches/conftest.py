"""A trainer that a test scripts, and a launch that runs on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import current_app
from django.conf import settings

from connections.opened import forget_opened
from connections.providers.states import AttemptState
from launches.models import Launch
from tests.launches.gateway_parts import StandIn, observe
from tests.launches.makers import make_launch


@pytest.fixture
def trainer() -> Iterator[StandIn]:
    standing_in = StandIn()
    yield standing_in
    standing_in.close()


@pytest.fixture
def local_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A local provider whose folder is this test's."""
    monkeypatch.setattr(settings, "SLIPWAY_HOME", tmp_path)
    forget_opened()
    yield
    forget_opened()


@pytest.fixture
def empty_queue() -> None:
    """What tests before this one hinted, and no worker takes, is gone."""
    with current_app.connection_for_write() as connection:
        connection.default_channel.queue_purge(settings.CELERY_TASK_DEFAULT_QUEUE)


@pytest.fixture
def launch(trainer: StandIn) -> Launch:
    """A launch of account `local`, with a trainer that answers."""
    launch = make_launch()
    observe(launch, AttemptState.RUNNING, endpoint=trainer.endpoint)
    return launch
