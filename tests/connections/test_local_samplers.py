"""Samplers as processes of this machine, with a stand-in for the sampler."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connections.providers.attempts import Observation, Reference
from connections.providers.errors import Rejected
from connections.providers.local import processes
from connections.providers.local.samplers import LocalSamplers
from connections.providers.samplers import RunsSamplers, SamplerSubmission
from connections.providers.states import FINAL, AttemptState, Reason
from tests.connections.local_rig import make_rig
from tests.connections.sampler_contract import make_spec
from tests.waiting import wait_for


def submission(deployment: str, start: int = 1, **changes: Any) -> SamplerSubmission:
    """Of that start of a deployment."""
    spec = make_spec(deployment, trainer_job="job-1", **changes)
    return SamplerSubmission(Reference("team-a", deployment, start), spec, "sls-token")


def until(samplers: LocalSamplers, reference: Reference, *states: AttemptState) -> Observation:
    """What is seen of it once it is in one of the states; of one that runs, once it answers."""
    seen: list[Observation] = []

    def is_there() -> bool:
        seen.append(samplers.observe(reference))
        return seen[-1].state in states and (seen[-1].ready or seen[-1].state is not AttemptState.RUNNING)

    wait_for(is_there)
    return seen[-1]


def test_a_sampler_starts_answers_waits_for_a_slot_and_ends(tmp_path: Path) -> None:
    rig = make_rig(tmp_path / "rig")
    provider = rig.provider
    assert isinstance(provider, RunsSamplers)
    assert provider.capabilities.runs_samplers
    samplers = provider.samplers
    first, second = submission("dep", snapshot="step-1"), submission("other")
    try:
        samplers.start(first)
        up = until(samplers, first.reference, AttemptState.RUNNING)
        assert up.endpoint.startswith("http://127.0.0.1:")
        assert up.serving == "step-1"
        assert "weights of job-1" in samplers.logs(first.reference, 0).text
        samplers.start(first)  # once more changes nothing
        samplers.start(second)
        waits = samplers.observe(second.reference)
        assert (waits.state, waits.detail) == (
            AttemptState.PENDING, "Waiting for a free slot: next in line (1 sampler runs here at a time)."
        )  # fmt: skip
        assert provider.list_references() == []  # no job of a trainer
        samplers.stop(first.reference)
        over = until(samplers, first.reference, *FINAL)
        assert (over.reason, over.serving) == (Reason.USER, "step-1")
        until(samplers, second.reference, AttemptState.RUNNING)
        (rig.behaviour / "other.exit").write_text("20")
        idle = until(samplers, second.reference, *FINAL)
        assert (idle.reason, idle.serving) == (Reason.INACTIVE, "")
        (rig.behaviour / "other.exit").write_text("1")
        again = submission("other", 2)
        samplers.start(again)
        over = until(samplers, again.reference, *FINAL)
        assert (over.state, over.detail.splitlines()[0]) == (
            AttemptState.FAILED, "The sampler ended with exit code 1: Told to end."
        )  # fmt: skip
        starts = provider.root / "samplers" / "jobs" / "team-a" / "other" / "attempts"
        provider.forget_attempts(datetime.now(UTC) - timedelta(days=1))
        assert sorted(each.name for each in starts.iterdir()) == ["1", "2"]
        provider.forget_attempts(datetime.now(UTC) + timedelta(minutes=1))
        assert list(starts.iterdir()) == []
        samplers.delete("team-a", "dep")
        assert not (provider.root / "samplers" / "jobs" / "team-a" / "dep").exists()
    finally:
        for folder in provider.root.glob("samplers/jobs/*/*/attempts/*"):
            processes.end_all(folder)


@pytest.mark.parametrize(
    ("changes", "replicas", "told"),
    [
        ({"accelerator_count": 8}, 1, "needs 8 GPUs a replica"),
        ({"engine": "VLLM"}, 1, "serves with VLLM"),
        ({}, 2, "asks for 2 replicas"),
        ({"base_model": "accounts/x/models/none"}, 1, "is not on this machine"),
        ({"lora_rank": 2048}, 1, "of rank 2048; samplers here take 1024 at most"),
        ({"snapshot": "accounts/team-a/models/gone"}, 1, "models/gone is not on this machine"),
        ({"snapshot": "accounts/team-b/models/theirs"}, 1, "models/theirs is not on this machine"),
        ({"snapshot": "cross_job://job-1/gone"}, 1, "cross_job://job-1/gone is not on this machine"),
    ],
)
def test_what_it_cannot_run_is_told(tmp_path: Path, changes: dict[str, Any], replicas: int, told: str) -> None:
    samplers = make_rig(tmp_path / "rig").provider.samplers
    spec = make_spec(**changes)
    (reason,) = samplers.fits(spec, replicas)
    assert told in reason
    if replicas == 1:
        with pytest.raises(Rejected, match=told):
            samplers.start(SamplerSubmission(Reference("team-a", "dep", 1), spec, "t"))
