"""The local provider in a directory of its own, with the stand-in trainer."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from connections.providers.attempts import Reference, Submission
from connections.providers.local import processes
from connections.providers.local.limits import Limits
from connections.providers.local.provider import LocalProvider
from connections.providers.local.samplers import LocalSamplers
from connections.providers.trainer_files import files
from tests.connections.rig import StoodIn
from tests.connections.sampler_contract import TOKEN
from tests.connections.trainer_hosts import end_trainer_host, start_trainer_host
from wire.names import deployment_name

STAND_IN = Path(__file__).parent / "stand_in"


@dataclass(frozen=True)
class LocalRig(StoodIn):
    """A provider whose trainers do as they are told."""

    provider: LocalProvider
    behaviour: Path

    def stranger(self, submission: Submission) -> Submission:
        """With another token."""
        return replace(submission, token="another-launch")

    def directory(self, reference: Reference) -> Path:
        """The attempt's directory."""
        job = self.provider.root / "jobs" / reference.account / reference.job
        return job / "attempts" / str(reference.attempt)

    def wrapper_pid(self, reference: Reference) -> int:
        """The pid that the attempt's wrapper wrote down."""
        wrapper = files.read_json(self.directory(reference) / files.WRAPPER)
        assert wrapper
        pid = wrapper["pid"]
        assert isinstance(pid, int)
        return pid

    def end(self) -> None:
        """Leave no process behind, whatever the test did."""
        end_trainer_host(self.provider.root)
        for kind in ("", "samplers/"):
            for submission in self.provider.root.glob(f"{kind}jobs/*/*/attempts/*"):
                processes.end_all(submission)


@dataclass(frozen=True)
class LocalServing(StoodIn):
    """The samplers of such a provider."""

    samplers: LocalSamplers
    behaviour: Path
    secret: str = TOKEN

    def name_of(self, reference: Reference) -> str:
        """As it is called here."""
        return deployment_name(reference.account, reference.job)


def make_rig(
    directory: Path, *, slots: int = 2, grace_seconds: float = 0.3, limits: Limits | None = None, hosted: bool = True
) -> LocalRig:
    """A rig under the directory, with a trainer-host, unless a test starts that."""
    directory.mkdir(exist_ok=True)
    open_to_trainers(directory)
    code = directory / "code"
    shutil.copytree(STAND_IN, code, ignore=shutil.ignore_patterns("__pycache__"))
    (code / "behaviour").mkdir()
    (code / "behaviour").chmod(0o777)  # where one is root, trainers are other users
    provider = LocalProvider(
        root=directory / "local",
        slots=slots,
        bind="127.0.0.1",
        host="127.0.0.1",
        models=directory / "models",
        weights=directory / "weights",
        trainer_package=code / "trainer",
        environment=directory / "trainer-env",
        limits=limits or Limits(),
        grace_seconds=grace_seconds,
    )
    if hosted:
        start_trainer_host(provider.root)
    return LocalRig(provider, code / "behaviour")


def open_to_trainers(directory: Path) -> None:
    """Let other users pass through what pytest keeps to ourselves, as a SLIPWAY_HOME lets them."""
    for folder in (directory, *directory.parents):
        if folder.owner() == directory.owner():
            folder.chmod(folder.stat().st_mode | 0o011)


def is_alive(pid: int) -> bool:
    """Whether a process runs under the pid; one that only waits to be reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
