"""The gateway reaches trainers that the login node of a cluster alone reaches, by tunnels over its ssh."""

from __future__ import annotations

from pathlib import Path

import pytest

from connections.kinds import SLURM
from connections.opened import forget_opened
from connections.providers.slurm.config import TUNNEL
from connections.sealing import seal
from launches.models import Launch
from tests.connections.remote import make_connection
from tests.connections.rig import until
from tests.connections.sshd import needs_sshd, sshd_running
from tests.launches.gateway_calls import asked
from tests.launches.gateway_parts import StandIn, make_key, prefix_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.e2e, needs_sshd]


def test_a_request_goes_through_the_login_node(launch: Launch, trainer: StandIn, tmp_path: Path) -> None:
    with sshd_running(tmp_path) as sshd:
        login = f"{sshd.login.user}@127.0.0.1:{sshd.login.port}"
        config = {"shared": "/shared", "login": login, "host_key": sshd.login.host_key, "way": TUNNEL}
        row = make_connection(name="cluster", kind=SLURM, config=config, secret=seal(sshd.key))
        Launch.objects.filter(pk=launch.pk).update(connection=row)
        forget_opened()
        secret = make_key(launch.owner, launch.account)
        path = f"{prefix_of(launch)}/api/v1/x"
        for _ in range(2):
            assert asked(path, secret).status == 200
        assert trainer.calls.qsize() == 2
        assert len(sshd.process.children()) == 1, "one connection carries all"
        sshd.break_connections()
        until(lambda: asked(path, secret).status == 200, pause=0.2)
        sshd.break_connections()
    refused = asked(path, secret)
    assert refused.status == 502
    assert str(trainer.port).encode() not in refused.body
