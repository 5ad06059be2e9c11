"""The provider interface over a Slurm cluster. All that is known lies in files and with Slurm."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from connections.providers.base import (
    Capabilities,
    Capacity,
    CheckpointKind,
    CheckpointList,
    Gone,
    Identity,
    LogChunk,
    MetricPage,
    Observation,
    ProviderError,
    Recipe,
    Reference,
    Rejected,
    Retryable,
    Submission,
)
from connections.providers.slurm import capability, inspection, script, standing, states
from connections.providers.slurm.answers import SlurmJob
from connections.providers.slurm.client import SlurmClient
from connections.providers.slurm.config import SlurmConfig
from connections.providers.slurm.endings import ENDING, AttemptEnding, ending_of, read_ending, write_ending
from connections.providers.slurm.job import owner_of
from connections.providers.slurm.names import name_of, read_name
from connections.providers.slurm.release import put_release
from connections.providers.spec import TrainerSpec
from connections.providers.states import AttemptState, Reason
from connections.providers.submissions import KeptSubmission
from connections.providers.trainer_files import files, recipes, tokenizers
from connections.providers.trainer_files.base_models import directories_in
from connections.providers.trainer_files.config import make_config
from connections.providers.trainer_files.job_folders import JobFolders

POLL_SECONDS = 5.0
TURN_SECONDS = 10.0
REMEMBERED_SECONDS = 120.0
"""For less than that no Slurm forgets a job by itself (MinJobAge, 300 unless set)."""
LOOKS_AT_ONCE = 32
_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True)
class SlurmProvider:
    """Has trainers run by a Slurm cluster.

    client           its programs
    config           what the connection says
    instance         which Slipway we are: part of every job's name and of our folder
    trainer_package  the directory of the package `trainer` on this machine
    settling         how long it may take until what a node writes is seen from here
    """

    client: SlurmClient
    config: SlurmConfig
    instance: str
    trainer_package: Path
    settling: timedelta = timedelta(seconds=30)
    addresses: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def root(self) -> Path:
        """Our folder in the shared directory."""
        return Path(self.config.shared) / f"slipway-{self.instance}"

    @property
    def capabilities(self) -> Capabilities:
        """One squeue sees all attempts."""
        return Capabilities(poll_seconds=POLL_SECONDS, observes_many=True)

    def identify(self) -> Identity:
        """The cluster, whether a job could be submitted, and whether its nodes see our folder. Errors: `Retryable`."""
        with self._faults():
            files.make_directory(self.root)
            return inspection.identify(self.client, self.config, self.root, self.instance)

    def capacity(self) -> Capacity:
        """GPUs of the partition by type, and who waits there. Errors: `Retryable`."""
        jobs = self.client.jobs()
        ours = [job for job in jobs if job.state in states.RUNNING and read_name(self.instance, job.name)]
        waiting = [job for job in jobs if job.state == "PENDING" and self._is_in_partition(job)]
        pools = inspection.pools(self.client.nodes(), self.config)
        return Capacity(pools, queue_length=len(waiting), running=len(ours))

    def recipes(self, spec: TrainerSpec) -> Sequence[Recipe]:  # noqa: ARG002  (the same for every spec)
        """The recipes, the default one first."""
        return recipes.RECIPES

    def fits(self, spec: TrainerSpec) -> Sequence[str]:
        """Why the spec can never run there, as far as the connection says."""
        return tuple(capability.reasons_against(spec, self.config, self._models))

    def tokenizer(self, base_model: str) -> Mapping[str, bytes]:
        """The files of the model's tokenizer, by name; none where this side does not see them. Errors: `Retryable`."""
        with self._faults():
            demo = self.trainer_package / "tiny_models" / base_model.rpartition("/")[2]
            return tokenizers.read_tokenizer(self._models.get(base_model, demo))

    def submit(self, submission: Submission) -> None:
        """Write the attempt down and have Slurm take its job, unless it has. Errors: `Rejected`, `Retryable`."""
        reference, spec = submission.reference, submission.spec
        with self._faults(), self._turn():
            directory = self._folders.place_for(submission)
            if not directory.exists():
                if reasons := self.fits(spec):
                    raise Rejected(" ".join(reasons))
                if self._unfinished(reference.account, reference.job):
                    raise Retryable(f"Another attempt of job {reference.job} is not over yet.")
                self._folders.write(submission, directory).rename(directory)
                files.sync_directory(directory.parent)
            if not (directory / ENDING).exists() and not (directory / standing.NUMBER).exists():
                job_id = self._find_job(reference, directory) or self._send(reference, directory, spec)
                files.write_text(directory / standing.NUMBER, job_id)

    def observe(self, reference: Reference) -> Observation:
        """The state right now. Errors: `Gone`, `Retryable`."""
        with self._faults():
            directory = self._folders.find(reference)
            if ended := read_ending(directory):
                return standing.over(directory, ended)
            try:
                return self._observation(reference, tuple(self.client.jobs()))
            except Gone:
                if not self._was_forgotten(directory):
                    raise
                self._send_again(reference, directory)
                return self._observation(reference, tuple(self.client.jobs()))

    def observe_many(self, references: Sequence[Reference]) -> Mapping[Reference, Observation | ProviderError]:
        """By one squeue for all of them. Errors: `Retryable`."""
        if not references:
            return {}
        jobs = tuple(self.client.jobs())

        def look(reference: Reference) -> Observation | ProviderError:
            try:
                with self._faults():
                    return self._observation(reference, jobs)
            except ProviderError as error:
                return error

        with ThreadPoolExecutor(LOOKS_AT_ONCE) as pool:
            return dict(zip(references, pool.map(look, references), strict=True))

    def cancel(self, reference: Reference) -> None:
        """Ask for the end. Errors: `Gone`, `Retryable`."""
        with self._faults():
            directory = self._folders.find(reference)
            if (directory / ENDING).exists():
                return
            files.mark(directory / files.CANCELLED)  # first: a job that is just starting looks for it
            with self._turn():
                found = [job for job in self._named(reference, self.client.jobs()) if job.state in states.UNFINISHED]
                for job in found:
                    self.client.cancel(job.job_id)
                if not found and not (directory / files.WRAPPER).exists() and not (directory / ENDING).exists():
                    write_ending(directory, AttemptEnding(AttemptState.CANCELLED, Reason.USER, ""), None)

    def delete(self, account: str, job: str, *, keep_checkpoints: bool = False) -> None:
        """Remove a job that is over, but for its checkpoints where these are kept. Errors: `Gone`, `Retryable`."""
        with self._faults():
            for reference in self._unfinished(account, job):
                self.observe(reference)  # which writes down that it is over, where it is
            with self._turn():
                if self._unfinished(account, job):
                    raise Retryable(f"Job {job} is not over yet; its files are removed when it is.")
                self._folders.remove(account, job, keep_checkpoints=keep_checkpoints)
            self._folders.empty_trash()

    def list_references(self) -> Sequence[Reference]:
        """Every attempt whose job is in the connection's partition and not over. Errors: `Retryable`."""
        alive = [job for job in self.client.jobs() if job.state in states.UNFINISHED and self._is_in_partition(job)]
        found = {reference for job in alive if (reference := read_name(self.instance, job.name))}
        with self._faults():
            return [each for each in found if not (self._folders.directory(each) / ENDING).exists()]

    def kept_submission(self, reference: Reference) -> KeptSubmission | None:
        """What the attempt was started with; None where its file cannot be read. Errors: `Gone`, `Retryable`."""
        with self._faults():
            return self._folders.kept_submission(reference)

    def logs(self, reference: Reference, after: int) -> LogChunk:
        """At most 64 KiB of log from the byte offset on. Errors: `Gone`, `Retryable`."""
        with self._faults():
            return self._folders.logs(reference, after)

    def metrics(self, reference: Reference, offset: int) -> MetricPage:
        """At most 1,000 records from the byte offset on. Errors: `Gone`, `Retryable`."""
        with self._faults():
            return self._folders.metrics(reference, offset)

    def checkpoints(self, account: str, job: str) -> CheckpointList:
        """The job's checkpoints, also of one that was deleted but for them. Errors: `Gone`, `Retryable`."""
        with self._faults():
            return self._folders.checkpoints(account, job, live=bool(self._unfinished(account, job)))

    def delete_checkpoint(self, account: str, job: str, kind: CheckpointKind, name: str) -> None:
        """Remove one checkpoint; of a deleted job the last one takes the rest with it. Errors: `Gone`, `Retryable`."""
        with self._faults():
            self._folders.job_directory(account, job)
            with self._turn():
                self._folders.remove_checkpoint(account, job, kind, name)
            self._folders.empty_trash()

    def open_artifact(self, account: str, job: str, kind: CheckpointKind, name: str, path: str) -> BinaryIO:
        """A file of a checkpoint, open for reading. Errors: `Gone`, `Retryable`."""
        with self._faults():
            return self._folders.open_artifact(account, job, kind, name, path)

    def merge(self, base_model: str, adapter_directory: Path, output_directory: Path) -> None:  # noqa: ARG002
        """Errors: `Rejected`."""
        raise Rejected("Adapters cannot be merged on this connection yet.")

    def forget_attempts(self, before: datetime) -> None:
        """Remove the folders of attempts that ended before then; checkpoints lie elsewhere. Errors: `Retryable`."""
        with self._faults():
            self._folders.forget_attempts(before, ENDING)

    @property
    def _folders(self) -> JobFolders:
        return JobFolders(self.root, "in the shared directory of the cluster")

    @property
    def _models(self) -> Mapping[str, Path]:
        return directories_in(self.config.models)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Be the only one who submits, cancels or removes. Errors: `Retryable` where another takes too long."""
        files.make_directory(self.root)
        with files.locked(self.root / "lock", TURN_SECONDS) as lock:
            if lock is None:
                raise Retryable("Another process is submitting to this cluster; this is tried again.")
            yield

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Say what the shared directory refuses in words; it may be otherwise the next time."""
        try:
            yield
        except OSError as error:
            words = "is full: free some space" if error.errno in _FULL else f"refused: {error.strerror or error}"
            raise Retryable(f"The shared directory {self.config.shared} {words}. This is tried again.") from error

    def _is_in_partition(self, job: SlurmJob) -> bool:
        return self.config.partition in ("", job.partition)

    def _named(self, reference: Reference, jobs: Sequence[SlurmJob]) -> list[SlurmJob]:
        name = name_of(self.instance, reference)
        return [job for job in jobs if job.name == name]

    def _unfinished(self, account: str, job: str) -> list[Reference]:
        """The attempts of a job that nobody has seen the end of. Errors: `Gone`."""
        folder = self._folders.job_directory(account, job) / files.ATTEMPTS
        numbers = [path.name for path in folder.iterdir() if path.name.isdecimal()] if folder.is_dir() else []
        return [Reference(account, job, int(each)) for each in numbers if not (folder / each / ENDING).exists()]

    def _find_job(self, reference: Reference, directory: Path) -> str:
        """The number of the job that an earlier try submitted, "" where there is none. A second one is cancelled."""
        found = self._named(reference, self.client.jobs())
        kept = standing.job_of(directory, found)
        for job in found:
            if kept and job.job_id != kept.job_id and job.state in states.UNFINISHED:
                self.client.cancel(job.job_id)
        return kept.job_id if kept else owner_of(directory)

    def _was_forgotten(self, directory: Path) -> bool:
        """Whether Slurm took the job a moment ago, nothing has started, and it knows nothing of it any more.

        A controller that is killed loses what it took in its last seconds.
        """
        with suppress(FileNotFoundError):
            taken = (directory / standing.NUMBER).stat().st_mtime
            return time.time() - taken < REMEMBERED_SECONDS and not owner_of(directory)
        return False

    def _send_again(self, reference: Reference, directory: Path) -> None:
        """Should both run after all, one claims the attempt. Errors: as `_send`."""
        spec = self._folders.kept_submission(reference)
        if spec is None or spec.spec is None:
            return
        with self._turn():
            job_id = self._find_job(reference, directory) or self._send(reference, directory, spec.spec)
            files.write_text(directory / standing.NUMBER, job_id)

    def _send(self, reference: Reference, directory: Path, spec: TrainerSpec) -> str:
        """Write what the job runs, and submit it; its number. Errors: `OSError`, `Rejected`, `Retryable`."""
        job_directory, code = directory.parent.parent, put_release(self.root, self.trainer_package)
        for folder in (directory / files.RECORDS, job_directory / files.SAMPLER):
            files.make_directory(folder)
        config = make_config(
            spec,
            directory=directory,
            job_directory=job_directory,
            model_directory=self._models.get(spec.base_model),
            model_cache=self.root / "model-cache",
            models_root=self.root / "models" / reference.account,
            bind=self.config.bind,
            resume_from=self._folders.newest_checkpoint(directory),
        )
        files.write_json(directory / files.CONFIG, config)
        plan = script.plan(
            self.config,
            directory=directory,
            code=code,
            trainer=self.trainer_package.name,
            made=self.root / "trainer-env",
        )
        files.write_json(directory / files.PLAN, plan)
        options = script.options(
            spec, self.config, name=name_of(self.instance, reference), log=directory / files.LOG, folder=directory
        )
        return self.client.submit(options, script.script(self.config, directory=directory, code=code))

    def _observation(self, reference: Reference, jobs: tuple[SlurmJob, ...]) -> Observation:
        """What is said of the attempt, given all jobs; its end is written down. Errors: as `observe`, `OSError`."""
        directory = self._folders.find(reference)
        if ended := read_ending(directory):
            return standing.over(directory, ended)
        job = standing.job_of(directory, self._named(reference, jobs))
        if ended := ending_of(directory, job, datetime.now(UTC) - self.settling):
            return self._end(directory, ended, job)
        if job is None:
            raise Gone(
                f"Slurm knows no job {name_of(self.instance, reference)} (any more), and nothing says how it ended."
            )
        if job.state in states.WAITING:
            return standing.waiting(directory, job, jobs)
        if job.state not in states.UNFINISHED:
            raise Retryable(f"Slurm says {job.words} of job {job.job_id}; its own word is not there yet.")
        return standing.live(directory, job, self._host(job))

    def _end(self, directory: Path, ended: AttemptEnding, job: SlurmJob | None) -> Observation:
        write_ending(directory, ended, job)
        if job and ended.reason is Reason.PREEMPTED and job.state in states.WAITING | states.ENDING:
            # Put back into the queue, it would start once more to find that it is over.
            self.client.cancel(job.job_id)
        return standing.over(directory, ended)

    def _host(self, job: SlurmJob) -> str:
        """Where the job's first node is reached, "" while that is not known."""
        node = job.node or ""
        if not node:
            return ""
        if self.config.reach:
            return self.config.reach.replace("{node}", node)
        if node not in self.addresses:
            self.addresses[node] = self.client.address(node)
        return self.addresses[node]
