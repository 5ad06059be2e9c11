"""A launch on a Slurm cluster from the form's verb to its end, as its page tells it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from accounts.actors import user_actor
from connections.kinds import SLURM
from connections.models import Connection
from connections.opened import forget_opened, open_provider
from connections.providers.configs import stored_config
from connections.providers.slurm.provider import SlurmProvider
from connections.providers.slurm.release import put_release
from connections.providers.states import AttemptState
from launches.domain.advance_launch import advance_launch
from launches.domain.observe_connection import observe_connection
from launches.domain.resume_launch import resume_launch
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


def look(launch: Launch, row: Connection, state: AttemptState) -> Attempt:
    """Look as the sweep does until the launch is in that state."""

    def reached() -> bool:
        Attempt.objects.update(next_check_at=timezone.now())
        observe_connection(row.pk)
        advance_launch(attempt_of(launch).pk)
        return attempt_of(launch).state == state

    until(reached, pause=0.3)
    return attempt_of(launch)


def test_a_launch_waits_runs_loses_its_node_and_is_resumed(slurm: SlurmRig, row: Connection, client: Client) -> None:
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
    failed = look(launch, row, AttemptState.FAILED)
    assert (failed.reason, failed.remote_state) == ("NODE_FAIL", "NODE_FAIL (NodeDown)")
    shown = client.get(page).content.decode()
    for words in ("its machine failed", "The platform&#x27;s fault, not yours", "NODE_FAIL"):
        assert words in shown
    rig.cluster.bring_back(node)

    resume_launch(actor=user_actor(owner), launch=launch)
    assert look(launch, row, AttemptState.RUNNING).resume_from == "step-4"
    rig.finish(launch.job_id)
    look(launch, row, AttemptState.COMPLETED)
    assert len(rig.pids(launch.job_id)) == 2
