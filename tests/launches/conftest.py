"""A trainer that a test scripts, and a launch that runs on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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
def launch(trainer: StandIn) -> Launch:
    """A launch of account `local`, with a trainer that answers."""
    launch = make_launch()
    observe(launch, AttemptState.RUNNING, endpoint=trainer.endpoint)
    return launch
