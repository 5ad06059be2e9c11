"""The local provider keeps the contract."""

from __future__ import annotations

import pytest

from tests.connections.contract import FilesContract, ProviderContract
from tests.connections.local_rig import LocalRig


class TestLocal(ProviderContract, FilesContract):
    @pytest.fixture
    def rig(self, local: LocalRig) -> LocalRig:
        return local
