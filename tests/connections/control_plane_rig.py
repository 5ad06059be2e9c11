"""The provider of another control plane against a second Slipway, whose trainers do as they are told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from connections.providers.attempts import Reference, Submission
from connections.providers.control_plane.account import AccountThere
from connections.providers.control_plane.client import ControlPlaneClient
from connections.providers.control_plane.jobs import Catalogs
from connections.providers.control_plane.names import remote_id
from connections.providers.control_plane.provider import ControlPlaneProvider
from connections.providers.control_plane.samplers import ControlPlaneSamplers
from tests.connections.rig import StoodIn
from tests.standing_in import StandIns
from wire.client_address import read_networks
from wire.names import deployment_name

INSTANCE = "k7m2qx9ab1"
ACCOUNT = "team-a"
LOOPBACK = read_networks("127.0.0.0/8")
SLOTS = 64


@dataclass(frozen=True)
class SecondSlipway:
    """Where it answers, with which key, and the folder of its stand-in trainers."""

    url: str
    key: str
    behaviour: Path


@dataclass(frozen=True)
class ControlPlaneRig(StoodIn):
    """The provider, and the trainers that the other side starts for it."""

    provider: ControlPlaneProvider
    behaviour: Path

    def named(self, job: str) -> str:
        """Trainers know the job under its id there."""
        return remote_id(INSTANCE, ACCOUNT, job)

    def stranger(self, submission: Submission) -> Submission:
        """With other settings: the wire has no room for a token."""
        return replace(submission, spec=replace(submission.spec, lora_rank=32))


@dataclass(frozen=True)
class ControlPlaneServing(StoodIn):
    """The deployments of such a provider, and the samplers that the other side starts for them."""

    samplers: ControlPlaneSamplers
    behaviour: Path
    secret: str

    def named(self, job: str) -> str:
        """Samplers know the deployment under its id there."""
        return remote_id(INSTANCE, ACCOUNT, job)

    def name_of(self, reference: Reference) -> str:
        """In the account there."""
        return deployment_name("local", self.named(reference.job))


def make_provider(url: str, key: str, *, patience: float = 15.0, instance: str = INSTANCE) -> ControlPlaneProvider:
    """A provider whose catalog there is the one here."""
    client = ControlPlaneClient(url, key, LOOPBACK, patience)
    return ControlPlaneProvider(AccountThere(client, instance), Catalogs({"local": "local"}))


def make_rig(slipway: SecondSlipway, url: str = "", *, patience: float = 15.0) -> ControlPlaneRig:
    """A rig with a provider of its own, which reaches the second Slipway at another address where one is given."""
    return ControlPlaneRig(make_provider(url or slipway.url, slipway.key, patience=patience), slipway.behaviour)


def endpoint_path(reference: Reference) -> str:
    """The path below which its trainer is reached."""
    return f"/training/v1/rlorTrainerJobs/local/{remote_id(INSTANCE, reference.account, reference.job)}"


@contextmanager
def second_slipway(folder: Path, broker: str) -> Iterator[SecondSlipway]:
    """A whole Slipway in the folder, on that broker."""
    from tests.e2e.conftest import running_slipway

    (folder / "home").mkdir()
    trainers = StandIns(folder / "stand-ins")
    trainers.prepare()
    settings = {
        "SLIPWAY_TRAINER_ENV": str(trainers.environment),
        "SLIPWAY_LOCAL_SLOTS": str(SLOTS),
        "SLIPWAY_LOCAL_SAMPLERS": str(SLOTS),
    }
    with running_slipway(folder / "home", broker, **settings) as server:
        key = server.manage("create_api_key", *("--account", "local", "--user", server.username, "--scope", "launch"))
        yield SecondSlipway(server.url, key.split()[-1], trainers.environment / "behaviour")
