"""The provider of a Slurm cluster keeps the contract, on a real Slurm of virtual nodes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connections.providers.states import AttemptState
from tests.connections.contract import FilesContract, ProviderContract
from tests.connections.rig import make_reference, make_submission, wait_for, wait_ready
from tests.connections.slurm_rig import SlurmRig, needs_slurm
from tests.connections.sshd import needs_sshd, sshd_running

pytestmark = [pytest.mark.e2e, needs_slurm]


class TestSlurm(ProviderContract, FilesContract):
    @pytest.fixture
    def rig(self, slurm: SlurmRig) -> Iterator[SlurmRig]:
        yield slurm
        slurm.cluster.run("scancel", "--signal=KILL", "--full", "-p", "train")


@pytest.fixture(scope="module")
def far(slurm: SlurmRig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmRig]:
    """The same cluster by a login node, whose files are not mounted here."""
    with sshd_running(tmp_path_factory.mktemp("sshd")) as sshd:
        yield slurm.over_ssh(sshd)


@needs_sshd
class TestSlurmOverSsh(FilesContract):
    """What differs by the way there: the files, and that a job is submitted, seen and ended."""

    @pytest.fixture
    def rig(self, far: SlurmRig) -> Iterator[SlurmRig]:
        yield far
        far.cluster.run("scancel", "--signal=KILL", "--full", "-p", "train")

    def test_is_ready_and_ends_when_it_is_asked_to(self, rig: SlurmRig) -> None:
        reference = make_reference()
        for _ in range(2):
            rig.provider.submit(make_submission(reference))
        wait_ready(rig.provider, reference)
        assert len(rig.pids(reference.job)) == 1
        assert (rig.directory(reference) / "token").stat().st_mode & 0o777 == 0o600
        assert not rig.provider.identify().unknown
        rig.provider.cancel(reference)
        wait_for(rig.provider, reference, {AttemptState.CANCELLED})
