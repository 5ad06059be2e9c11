"""A connection to a cluster behind a login node, from its form to what is opened."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

import asyncssh
import pytest
from django.core.management import call_command
from django.test import Client

from connections.models import Connection
from connections.opened import open_provider
from connections.providers.errors import Retryable
from connections.providers.slurm.login import fingerprint_of, public_line
from connections.providers.slurm.provider import SlurmProvider
from connections.providers.slurm.shells import ThisMachine
from connections.providers.slurm.ssh import LoginNode
from tests.connections.sshd import needs_sshd, sshd_running
from tests.makers import make_user, sign_in

pytestmark = pytest.mark.django_db
SEE_OTHER = HTTPStatus.SEE_OTHER
KEY = asyncssh.generate_private_key("ssh-ed25519")
WRITTEN = KEY.export_private_key().decode()
ADDED = {"name": "cluster", "config.shared": "/shared", "config.login": "slipway@login1:2222"}


def opened(name: str) -> SlurmProvider:
    provider = open_provider(Connection.objects.get(name=name))
    assert isinstance(provider, SlurmProvider)
    return provider


def test_a_login_node_and_its_key_are_taken_by_form_and_by_command(client: Client, tmp_path: Path) -> None:
    sign_in(client, make_user(superuser=True))
    page = "/connections/new?kind=slurm"
    broken = WRITTEN.replace("B", "C")
    for wrong in ({"secret": broken}, {"secret": WRITTEN, "config.login": "login1"}, {"config.host_key": "SHA256:x"}):
        refused = client.post(page, ADDED | wrong)
        assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert wrong.get("secret", WRITTEN).splitlines()[1] not in refused.content.decode()
    assert not Connection.objects.filter(name="cluster").exists()

    host_key = public_line(asyncssh.generate_private_key("ssh-ed25519"))
    pasted = WRITTEN.replace("\n", "\r\n")
    added = client.post(page, ADDED | {"secret": pasted, "config.host_key": f"login1 {host_key} root@login1"})
    assert added.status_code == HTTPStatus.SEE_OTHER
    row = Connection.objects.get(name="cluster")
    assert "PRIVATE" not in row.secret
    assert "PRIVATE" not in client.get("/connections/cluster/edit").content.decode()
    shell = opened("cluster").client.shell
    assert isinstance(shell, LoginNode)
    assert (str(shell.login), shell.login.host_key) == ("slipway@login1:2222", host_key)
    assert public_line(asyncssh.import_private_key(shell.key)) == public_line(KEY)

    (tmp_path / "key").write_text(WRITTEN)
    told = ["--set", "shared=/shared", "--set", "login=slipway@login2"]
    call_command("connect", "by-command", "--kind", "slurm", *told, "--secret-file", str(tmp_path / "key"))
    assert isinstance(opened("by-command").client.shell, LoginNode)


def test_a_key_is_needed_for_a_login_node_alone() -> None:
    call_command("connect", "here", "--kind", "slurm", "--set", "shared=/shared")
    assert isinstance(opened("here").client.shell, ThisMachine)
    call_command("connect", "here", "--kind", "slurm", "--set", "login=slipway@login1")
    with pytest.raises(Retryable, match="private key for slipway@login1 is not set"):
        opened("here")


@needs_sshd
def test_a_host_key_is_shown_by_test_and_confirmed_once(client: Client, tmp_path: Path) -> None:
    sign_in(client, make_user(superuser=True))
    with sshd_running(tmp_path) as sshd:
        login = f"{sshd.login.user}@127.0.0.1:{sshd.login.port}"
        client.post("/connections/new?kind=slurm", ADDED | {"config.login": login, "secret": sshd.key})
        page = client.post("/connections/cluster/test").content.decode()
    assert fingerprint_of(sshd.login.host_key) in page
    assert f'name="shown" value="{sshd.login.host_key}"' in page
    confirm = {"setting": "host_key", "shown": sshd.login.host_key}
    assert client.post("/connections/cluster/confirm", confirm | {"setting": "login"}).status_code != SEE_OTHER
    assert client.post("/connections/cluster/confirm", confirm | {"shown": "nonsense"}).status_code != SEE_OTHER
    assert client.post("/connections/cluster/confirm", confirm).status_code == SEE_OTHER
    other = public_line(asyncssh.generate_private_key("ssh-ed25519"))
    assert client.post("/connections/cluster/confirm", confirm | {"shown": other}).status_code != SEE_OTHER
    config = Connection.objects.get(name="cluster").config
    assert (config["host_key"], config["login"]) == (sshd.login.host_key, login)
