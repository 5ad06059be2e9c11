"""The provider of a Slurm cluster keeps the contract, on a real Slurm of virtual nodes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.connections.contract import FilesContract, ProviderContract
from tests.connections.slurm_rig import SlurmRig, needs_slurm

pytestmark = [pytest.mark.e2e, needs_slurm]


class TestSlurm(ProviderContract, FilesContract):
    @pytest.fixture
    def rig(self, slurm: SlurmRig) -> Iterator[SlurmRig]:
        yield slurm
        slurm.cluster.run("scancel", "--signal=KILL", "--full", "-p", "train")
