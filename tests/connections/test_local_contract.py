"""The local provider keeps the contract."""

from __future__ import annotations

import pytest

from tests.connections.contract import FilesContract, ProviderContract
from tests.connections.local_rig import LocalRig, LocalServing
from tests.connections.sampler_contract import SamplerContract


class TestLocal(ProviderContract, FilesContract):
    @pytest.fixture
    def rig(self, local: LocalRig) -> LocalRig:
        return local


class TestLocalSamplers(SamplerContract):
    @pytest.fixture
    def rig(self, local: LocalRig) -> LocalServing:
        return LocalServing(local.provider.samplers, local.behaviour)
