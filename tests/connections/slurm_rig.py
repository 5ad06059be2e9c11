"""The Slurm provider on a virtual cluster, with the stand-in trainer."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connections.providers.attempts import Reference, Submission
from connections.providers.slurm.client import SlurmClient
from connections.providers.slurm.config import OVER_SSH, TUNNEL, SlurmConfig
from connections.providers.slurm.provider import SlurmProvider
from connections.providers.slurm.release import put_release
from connections.providers.slurm.sftp_paths import sftp_paths
from tests.connections.local_rig import STAND_IN
from tests.connections.rig import StoodIn
from tests.connections.slurm_cluster import MISSING, SlurmCluster
from tests.connections.sshd import Sshd

INSTANCE = "k7m2qx9ab1"
H100 = "NVIDIA_H100_80GB"
needs_slurm = pytest.mark.skipif(bool(MISSING), reason=f"No Slurm on this machine: {', '.join(MISSING)} not found.")


@dataclass(frozen=True)
class SlurmRig(StoodIn):
    """A provider whose trainers do as they are told, and the cluster that they run on."""

    provider: SlurmProvider
    behaviour: Path
    cluster: SlurmCluster

    def stranger(self, submission: Submission) -> Submission:
        """With another token."""
        return replace(submission, token="another-launch")

    def directory(self, reference: Reference) -> Path:
        """The attempt's directory."""
        job = self.provider.root / "jobs" / reference.account / reference.job
        return job / "attempts" / str(reference.attempt)

    def job_ids(self, reference: Reference) -> list[str]:
        """The numbers of all jobs that Slurm has under the attempt's name."""
        name = ".".join(("slipway", INSTANCE, reference.account, reference.job, str(reference.attempt)))
        return self.cluster.run("squeue", "--states=all", "-h", "-a", f"--name={name}", "-o", "%i").split()

    def over_ssh(self, sshd: Sshd) -> SlurmRig:
        """The same, by a login node that alone sees the shared directory and reaches the trainers."""
        node, config = sshd.node(), replace(self.provider.config, files=OVER_SSH, way=TUNNEL)
        client = replace(self.provider.client, shell=node)
        place = sftp_paths(node, config.root(INSTANCE))
        return replace(self, provider=replace(self.provider, client=client, config=config, place=place, dial=node.dial))

    def with_config(self, **changes: Any) -> SlurmRig:
        """The same with another configuration, such as another partition."""
        return replace(self, provider=replace(self.provider, config=replace(self.provider.config, **changes)))


def make_slurm_rig(folder: Path, cluster: SlurmCluster) -> SlurmRig:
    """A rig whose shared directory is the folder."""
    environment = folder / "trainer-env"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(sys.executable)
    config = SlurmConfig(
        shared=str(folder),
        partition="train",
        gres=f"{H100} = gpu:h100",
        cpus_per_gpu=1,
        memory_per_gpu=1,
        time_limit=30,
        environment=str(environment),
        bind="127.0.0.1",
        conf=str(cluster.conf),
    )
    provider = SlurmProvider(
        SlurmClient(str(cluster.conf)),
        config,
        INSTANCE,
        STAND_IN / "trainer",
        folder / "made",
        timedelta(0),
        shared_seconds=0.0,
    )
    behaviour = put_release(provider.root, provider.trainer_package) / "behaviour"
    behaviour.mkdir()
    return SlurmRig(provider, behaviour, cluster)
