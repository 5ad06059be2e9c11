"""A real sshd on 127.0.0.1, with keys of its own: a login node for as long as a test runs."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import asyncssh
import psutil
import pytest

from connections.providers.slurm.login import Login, public_line
from connections.providers.slurm.ssh import LoginNode
from embedded.sshd import find_sshd
from tests.connections.rig import until

SSHD = find_sshd()
needs_sshd = pytest.mark.skipif(not SSHD, reason="No sshd on this machine.")
_CONFIGURATION = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile {folder}/pid
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
Subsystem sftp internal-sftp
"""


@dataclass(frozen=True)
class Sshd:
    """The folder with its keys, and how it is reached."""

    folder: Path
    login: Login
    process: psutil.Process

    @property
    def key(self) -> str:
        """The private key that it takes."""
        return (self.folder / "client").read_text()

    def node(self, **changes: object) -> LoginNode:
        """As a worker that has just started reaches it, or one that was told something else."""
        return LoginNode(replace(self.login, **changes), self.key)  # type: ignore[arg-type]

    def break_connections(self) -> None:
        """End those that are open."""
        for child in self.process.children():
            with suppress(psutil.Error):
                child.kill()
                child.wait()


@contextmanager
def sshd_running(folder: Path) -> Iterator[Sshd]:
    """One in the folder, for whoever runs the tests."""
    for name in ("host", "client"):
        _write_key(folder / name)
    (folder / "authorized_keys").write_text((folder / "client.pub").read_text())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "config").write_text(_CONFIGURATION.format(port=port, folder=folder))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with (folder / "log").open("w") as log:
        command = [SSHD, "-D", "-e", "-f", str(folder / "config")]
        running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    login = Login(getpass.getuser(), "127.0.0.1", port, (folder / "host.pub").read_text())
    sshd = Sshd(folder, login, psutil.Process(running.pid))
    try:
        until(lambda: _listens(port) or running.poll() is not None)
        assert running.poll() is None, (folder / "log").read_text()
        yield sshd
    finally:
        sshd.break_connections()
        running.kill()
        running.wait()


def _write_key(path: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    path.touch(mode=0o600)
    path.write_bytes(key.export_private_key())
    path.with_suffix(".pub").write_text(public_line(key))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
