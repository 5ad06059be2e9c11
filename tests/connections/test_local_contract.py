"""The local provider keeps the contract."""

from __future__ import annotations

import pytest

from tests.connections.contract import ProviderContract
from tests.connections.local_rig import LocalRig


class TestLocal(ProviderContract):
    @pytest.fixture
    def rig(self, local: LocalRig) -> LocalRig:
        return local
