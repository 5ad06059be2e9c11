"""What an engine gave a launch and counted, as its page says it beside what was seen from here."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from launches.models import Attempt
from launches.pages.engine import engine_sentence
from tests.connections.rig import make_spec
from tests.launches.makers import NOW

NOTHING = {"remote_nodes": "", "remote_gpus": "", "remote_id": ""}
GPU = {"remote_nodes": "n2", "remote_gpus": "1 x gpu:h100", "remote_id": "17"}


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({}, ""),
        ({"remote_nodes": "n2"}, "On n2, without a GPU."),
        (GPU, "On n2, as job 17, with 1 x gpu:h100."),
        (GPU | {"gpu_seconds": 75}, "On n2, as job 17, with 1 x gpu:h100. GPU time: 1m15s there."),
        (
            GPU | {"gpu_seconds": 75, "started_at": NOW - timedelta(seconds=70)},
            "On n2, as job 17, with 1 x gpu:h100. GPU time: 1m15s there, 1m10s as seen from here.",
        ),
    ],
)
def test_the_sentence(told: dict[str, Any], words: str) -> None:
    assert engine_sentence(Attempt(**NOTHING | told), make_spec(accelerator_count=1), NOW) == words
