"""Debian's Slurm, of which tests start a cluster of virtual nodes by themselves."""

from __future__ import annotations

import shutil

from embedded import apt
from embedded.console import Console

PROGRAMS = ("slurmctld", "slurmd", "sbatch")
PACKAGES = ("slurmctld", "slurmd", "slurm-client", "slurm-wlm-basic-plugins")


def has_slurm() -> bool:
    """Whether its programs are on PATH."""
    return all(map(shutil.which, PROGRAMS))


def find_or_install_slurm(console: Console) -> bool:
    """Whether it is there, by apt where we may install it. Its services are not started."""
    if has_slurm():
        return True
    apt.install(console, PACKAGES, "Installing Slurm with apt-get for tests of connections (once; half a minute)")
    return has_slurm()
