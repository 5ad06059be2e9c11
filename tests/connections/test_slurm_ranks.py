"""The real trainer as a job of two nodes: one process on each, which learn together and end together."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from django.conf import settings

from connections.providers.slurm.provider import SlurmProvider
from connections.providers.states import AttemptState
from tests.connections.rig import make_reference, make_submission, wait_for, wait_ready
from tests.connections.slurm_rig import H100, SlurmRig, needs_slurm
from tests.sdk.environments import ensure_environment


@needs_slurm
@pytest.mark.e2e
def test_two_nodes_train_together_and_end_together(slurm: SlurmRig) -> None:
    environment = str(ensure_environment("trainer").parent.parent)
    # As a site names its fabric; here nothing shall leave the machine.
    config = replace(slurm.provider.config, environment=environment, setup="export GLOO_SOCKET_IFNAME=lo")
    provider = replace(slurm.provider, config=config, trainer_package=settings.BASE_DIR / "trainer")
    shape = {"accelerator_type": H100, "accelerator_count": 1, "recipe": "sample-sft"}
    alone, together = (make_reference() for _ in range(2))
    provider.submit(make_submission(alone, **shape))
    provider.submit(make_submission(together, **shape, trainer_replica_count=2))
    for reference in (alone, together):
        wait_for(provider, reference, {AttemptState.COMPLETED})
    losses = [[record.loss_per_token for record in provider.metrics(each, 0).records] for each in (alone, together)]
    assert len(losses[0]) == 60
    assert losses[1] == pytest.approx(losses[0], rel=1e-4), "what each rounds adds up over 60 steps"

    killed = make_reference()
    provider.submit(make_submission(killed, **shape | {"recipe": "none", "node_count": 2}))
    wait_ready(provider, killed)
    follower = json.loads((_records(provider, killed.job) / "ranks" / "1").read_bytes())
    psutil.Process(follower["pid"]).kill()
    seen = wait_for(provider, killed, {AttemptState.FAILED})
    assert f"Rank 1 of 2 (process {follower['pid']} on " in seen.detail and "was killed" in seen.detail


def _records(provider: SlurmProvider, job: str) -> Path:
    (found,) = provider.root.glob(f"jobs/*/{job}/attempts/1/records")
    return Path(found)
