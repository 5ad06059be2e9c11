"""A launch on a Slurm cluster from the form's verb to its end, as its page tells it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from connections.kinds import SLURM
from connections.models import Connection
from connections.opened import forget_opened, open_provider
from connections.providers.configs import stored_config
from connections.providers.slurm.provider import SlurmProvider
from connections.providers.slurm.release import put_release
from connections.providers.states import AttemptState
from launches.domain.advance_launch import advance_launch
from launches.domain.observe_connection import observe_connection
from launches.models import Attempt, Launch
from tests.connections.local_rig import STAND_IN
from tests.connections.remote import make_connection
from tests.connections.rig import until
from tests.connections.slurm_cluster import NODES
from tests.connections.slurm_rig import SlurmRig, needs_slurm
from tests.launches.makers import attempt_of, make_launch
from tests.makers import make_member, sign_in

pytestmark = [pytest.mark.e2e, pytest.mark.django_db, needs_slurm]


@pytest.fixture
def row(slurm: SlurmRig, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """The connection to the cluster, for everyone."""
    monkeypatch.setattr(settings, "BASE_DIR", STAND_IN)
    forget_opened()
    yield make_connection(name="cluster", kind=SLURM, config=stored_config(slurm.provider.config))
    forget_opened()


def look(launch: Launch, row: Connection, state: AttemptState, *, attempt: int = 1) -> Attempt:
    """Look as the sweep does until that attempt is in that state."""

    def reached() -> bool:
        Attempt.objects.update(next_check_at=timezone.now())
        observe_connection(row.pk)
        advance_launch(attempt_of(launch).pk)
        newest = attempt_of(launch)
        return (newest.number, newest.state) == (attempt, state)

    until(reached, pause=0.3)
    return attempt_of(launch)


def test_a_recipe_goes_on_by_itself_after_a_dead_node_and_a_preemption(
    slurm: SlurmRig, row: Connection, client: Client
) -> None:
    provider = cast("SlurmProvider", open_provider(row))
    behaviour = put_release(provider.root, provider.trainer_package) / "behaviour"
    behaviour.mkdir()
    rig = replace(slurm, provider=provider, behaviour=behaviour)
    for node in NODES:
        rig.cluster.run("scontrol", "update", f"nodename={node}", "state=drain", "reason=bad fan")
    owner = make_member()
    sign_in(client, owner)
    launch = make_launch(owner=owner, connection=row.name)
    assert launch.connection == row
    rig.tell(launch.job_id, checkpoints={"step-4": 4})

    advance_launch(attempt_of(launch).pk)
    assert attempt_of(launch).state == AttemptState.PENDING
    page = f"/launches/{launch.uid}"
    assert "(Slurm: " in client.get(page).content.decode()

    for node in NODES:
        rig.cluster.run("scontrol", "update", f"nodename={node}", "state=resume")
    running = look(launch, row, AttemptState.RUNNING)
    assert running.remote_id

    (node,) = rig.cluster.run("squeue", "-h", "-t", "RUNNING", "-o", "%N").split()
    rig.cluster.kill_node(node)
    again = look(launch, row, AttemptState.RUNNING, attempt=2)
    assert again.resume_from == "step-4"
    failed = launch.attempts.get(number=1)
    assert (failed.state, failed.reason, failed.remote_state) == ("FAILED", "NODE_FAIL", "NODE_FAIL (NodeDown)")
    shown = client.get(page, {"attempt": "1"}).content.decode()
    for words in ("its machine failed", "The platform&#x27;s fault, not yours", "NODE_FAIL", "Goes on by itself"):
        assert words in shown
    rig.cluster.bring_back(node)

    everything = ("--exclusive", "-N", str(len(NODES)), "-t", "1", "-o", "/dev/null", "--wrap", "sleep 30")
    rig.cluster.run("sbatch", "-p", "urgent", *everything)
    assert look(launch, row, AttemptState.PENDING, attempt=3).detail
    assert launch.attempts.get(number=2).reason == "PREEMPTED"
    rig.cluster.run("scancel", "-p", "urgent")
    assert look(launch, row, AttemptState.RUNNING, attempt=3).resume_from == "step-4"
    rig.finish(launch.job_id)
    look(launch, row, AttemptState.COMPLETED, attempt=3)
    assert len(rig.pids(launch.job_id)) == 3
