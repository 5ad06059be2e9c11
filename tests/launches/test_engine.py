"""What an engine gave a launch and counted, as its page says it beside what was seen from here."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from connections.providers.states import AttemptState
from launches.domain.apply_report import apply_report
from launches.domain.claim_attempt import claim_attempt
from launches.models import Attempt
from launches.pages.engine import engine_sentence
from tests.connections.rig import make_spec
from tests.launches.makers import NOW, attempt_of, make_launch, seen

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


@pytest.mark.django_db
def test_gpu_time_never_falls() -> None:
    launch, now = make_launch(), timezone.now()
    for counted, kept in ((None, None), (0, 0), (600, 600), (None, 600), (0, 600), (30, 600), (700, 700)):
        claim = claim_attempt(attempt_of(launch).pk, now=(now := now + timedelta(hours=1)))
        assert claim is not None
        apply_report(claim, seen(AttemptState.PENDING, gpu_seconds=counted), now=now)
        assert attempt_of(launch).gpu_seconds == kept
