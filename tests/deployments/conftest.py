"""A team, a deployment shape of it, and a connection whose samplers live in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from accounts.models import Account, User
from accounts.roles import Role
from catalog.enums import Engine, ShapeKind
from catalog.models import ShapeVersion
from connections.models import Connection
from tests.connections.remote import make_connection, registered
from tests.deployments.engine import SERVING, Samplers, ServingEngine
from tests.makers import make_account, make_member, make_model, make_shape, make_version


@pytest.fixture
def team() -> Account:
    return make_account(account_id="team-a")


@pytest.fixture
def lena(team: Account) -> User:
    return make_member(account=team, role=Role.LAUNCHER)


@pytest.fixture
def samplers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Samplers]:
    engine = ServingEngine()
    Connection.objects.filter(name="local").delete()
    with registered(monkeypatch, SERVING, engine):
        make_connection(name="near", kind=SERVING)
        yield engine.samplers


@pytest.fixture
def version(team: Account) -> ShapeVersion:
    shape = make_shape(base_model=make_model(account=team), shape_id="sampler", kind=ShapeKind.DEPLOYMENT)
    return make_version(shape=shape, version_id="abcd1234", gpus=0, engine=Engine.TRANSFORMERS)
