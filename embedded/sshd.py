"""Debian's sshd, of which tests start one of their own: a login node of the virtual Slurm cluster."""

from __future__ import annotations

import shutil

from embedded import apt
from embedded.console import Console

PACKAGES = ("openssh-server",)
_FOLDERS = "/usr/sbin:/usr/local/sbin:/usr/bin"


def find_sshd() -> str:
    """Its path, which it wants to be started by; "" where there is none."""
    return shutil.which("sshd") or shutil.which("sshd", path=_FOLDERS) or ""


def find_or_install_sshd(console: Console) -> bool:
    """Whether it is there, by apt where we may install it. Its service is not started."""
    if not find_sshd():
        apt.install(console, PACKAGES, "Installing sshd with apt-get for tests of connections (once; a few seconds)")
    return bool(find_sshd())
