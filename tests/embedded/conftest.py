"""A state folder for the embedded servers, in one place that any user can reach and in one that only we can."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded.home import Home


@pytest.fixture(params=["reachable", "private"])
def home(request: pytest.FixtureRequest) -> Iterator[Home]:
    """As root the servers run as another user in the first, and in a user namespace in the second."""
    folder = Path(tempfile.mkdtemp(prefix="slipway-embedded-"))
    folder.chmod(0o711 if request.param == "reachable" else 0o700)
    home = Home(folder / "state")
    home.prepare()
    yield home
    shutil.rmtree(folder)
