"""Debian's nginx and Caddy, of which tests start one each in front of a Slipway, as deploy/proxy says."""

from __future__ import annotations

import shutil

from embedded import apt
from embedded.console import Console

PROGRAMS = ("nginx", "caddy")
PACKAGES = ("nginx-light", "caddy")
_FOLDERS = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"


def find_proxy(program: str) -> str:
    """Its path; "" where there is none."""
    return shutil.which(program) or shutil.which(program, path=_FOLDERS) or ""


def find_or_install_proxies(console: Console) -> bool:
    """Whether both are there, by apt where we may install them. Their services are not started."""
    if not all(map(find_proxy, PROGRAMS)):
        apt.install(
            console, PACKAGES, "Installing nginx and Caddy with apt-get for tests of proxies (once; a few seconds)"
        )
    return all(map(find_proxy, PROGRAMS))
