from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connections.kinds import KINDS, Kind
from connections.opened import forget_opened
from tests.connections import elsewhere as kinds
from tests.connections.local_rig import LocalRig, make_rig


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
