from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.connections.local_rig import LocalRig, make_rig


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LocalRig]:
    """The local provider with two slots and the stand-in trainer."""
    rig = make_rig(tmp_path)
    yield rig
    rig.end()
