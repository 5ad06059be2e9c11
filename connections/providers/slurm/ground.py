"""What every verb stands on: the programs, what the connection says, and our folder in the shared directory."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from connections.providers.attempts import Reference
from connections.providers.errors import Retryable
from connections.providers.optional import Dial
from connections.providers.slurm.answers import SlurmJob
from connections.providers.slurm.client import SlurmClient
from connections.providers.slurm.config import SlurmConfig
from connections.providers.slurm.endings import ENDING
from connections.providers.slurm.names import name_of
from connections.providers.trainer_files import files
from connections.providers.trainer_files.base_models import directories_in
from connections.providers.trainer_files.job_folders import JobFolders

POLL_SECONDS = 5.0
TURN_SECONDS = 10.0
_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True)
class SlurmGround:
    """One Slipway at one cluster.

    client           its programs
    config           what the connection says
    instance         which Slipway we are: part of every job's name and of our folder
    trainer_package  the directory of the package `trainer` on this machine
    weights          the models that accounts made, on this machine, by account and model id
    datasets         the files of datasets, on this machine
    settling         how long it may take until what a node writes is seen from here
    place            makes a path of one as it is written: of this machine, or of a login node
    dial             how trainers are connected to, None for directly
    shared_seconds   for how long looks at what runs share one answer of squeue; 0 for not at all
    """

    client: SlurmClient
    config: SlurmConfig
    instance: str
    trainer_package: Path
    weights: Path
    settling: timedelta = timedelta(seconds=30)
    place: Callable[[str], Path] = Path
    dial: Dial | None = None
    shared_seconds: float = POLL_SECONDS
    datasets: Path = Path("/nonexistent")
    addresses: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    _told: list[tuple[float, tuple[SlurmJob, ...]]] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def root(self) -> Path:
        """Our folder in the shared directory."""
        return self.place(self.config.root(self.instance))

    @property
    def folders(self) -> JobFolders:
        """Of the jobs, there."""
        return JobFolders(self.root, "in the shared directory of the cluster")

    @property
    def models(self) -> Mapping[str, Path]:
        """By base model that the connection maps, its directory there."""
        return {model: self.place(str(path)) for model, path in directories_in(self.config.models).items()}

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Be the only one who submits, cancels or removes. Errors: `Retryable` where another takes too long."""
        files.make_directory(self.root)
        with files.locked(self.root / "lock", TURN_SECONDS) as lock:
            if lock is None:
                raise Retryable("Another process is submitting to this cluster; this is tried again.")
            yield

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Say what the shared directory refuses in words; it may be otherwise the next time."""
        try:
            yield
        except OSError as error:
            words = "is full: free some space" if error.errno in _FULL else f"refused: {error.strerror or error}"
            raise Retryable(f"The shared directory {self.config.shared} {words}. This is tried again.") from error

    def jobs(self) -> tuple[SlurmJob, ...]:
        """As Slurm lists them now. Errors: `Retryable`."""
        jobs = tuple(self.client.jobs())
        self._told[:] = [(time.monotonic(), jobs)]
        return jobs

    def jobs_lately(self) -> tuple[SlurmJob, ...]:
        """As it listed them within the shared seconds, to this process; none where nobody asked."""
        return next((jobs for at, jobs in tuple(self._told) if time.monotonic() - at < self.shared_seconds), ())

    def is_in_partition(self, job: SlurmJob) -> bool:
        """Whether the job is where the connection's jobs go."""
        return self.config.partition in ("", job.partition)

    def named(self, reference: Reference, jobs: Sequence[SlurmJob]) -> list[SlurmJob]:
        """The jobs of the attempt's name."""
        name = name_of(self.instance, reference)
        return [job for job in jobs if job.name == name]

    def unfinished(self, account: str, job: str) -> list[Reference]:
        """The attempts of a job that nobody has seen the end of. Errors: `Gone`."""
        folder = self.folders.job_directory(account, job) / files.ATTEMPTS
        numbers = [path.name for path in folder.iterdir() if path.name.isdecimal()] if folder.is_dir() else []
        return [Reference(account, job, int(each)) for each in numbers if not (folder / each / ENDING).exists()]
