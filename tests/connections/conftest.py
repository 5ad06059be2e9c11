from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connections.kinds import KINDS, Kind
from connections.opened import forget_opened
from tests.connections import elsewhere as kinds
from tests.connections.local_rig import LocalRig, make_rig
from tests.connections.slurm_cluster import slurm_cluster
from tests.connections.slurm_rig import SlurmRig, make_slurm_rig


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LocalRig]:
    """The local provider with two slots and the stand-in trainer."""
    rig = make_rig(tmp_path)
    yield rig
    rig.end()


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, db: None) -> Iterator[Kind]:
    """A kind with a secret, known to this Slipway for as long as the test runs."""
    monkeypatch.setitem(KINDS, kinds.NAME, kinds.KIND)
    forget_opened()
    yield kinds.KIND
    forget_opened()


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmRig]:
    """The Slurm provider on a cluster that the tests of a module share."""
    folder = tmp_path_factory.mktemp("slurm")
    (folder / "cluster").mkdir()
    with slurm_cluster(folder / "cluster") as cluster:
        yield make_slurm_rig(folder / "shared", cluster)
