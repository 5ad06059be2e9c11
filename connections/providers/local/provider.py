"""The provider interface on this machine. All that is known lies in files, so any process may call any method.

What runs is started, signalled and judged by trainer-host alone, which is asked.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

from connections.providers.attempts import Observation, Reference, Submission
from connections.providers.base import Identity
from connections.providers.capabilities import Capabilities
from connections.providers.capacity import Capacity, GpuPool
from connections.providers.checkpoints import CheckpointKind, CheckpointList
from connections.providers.errors import ProviderError
from connections.providers.local import capability
from connections.providers.local.asking import HostClient, Part, settings_of
from connections.providers.local.attempts import LocalAttempts
from connections.providers.local.counting import count_tokens
from connections.providers.local.datasets import LocalDatasets
from connections.providers.local.faults import faults
from connections.providers.local.gpus import Gpus
from connections.providers.local.hub import HubModels
from connections.providers.local.lent import LentProcess
from connections.providers.local.limits import Limits
from connections.providers.local.merging import merge
from connections.providers.local.queue import Queue, QueueState
from connections.providers.local.runs import LocalRuns
from connections.providers.local.samplers import LocalSamplers
from connections.providers.local.slots import Slots
from connections.providers.local.trainers import LocalTrainers, trainer_folders
from connections.providers.local.users import JobUsers
from connections.providers.optional import TokenLengths
from connections.providers.recipes import Recipe
from connections.providers.spec import TrainerSpec
from connections.providers.submissions import KeptSubmission
from connections.providers.telemetry import LogChunk, MetricPage
from connections.providers.trainer_files import files, recipes, tokenizers
from connections.providers.trainer_files.hub_addresses import HubAddress
from connections.providers.trainer_files.job_folders import JobFolders


@dataclass(frozen=True)
class LocalProvider:
    """Runs trainers as processes of this machine, `slots` at a time.

    root             all its files
    bind, host       the address that trainers listen on, and the host under which others reach them
    models           Hugging Face directories of base models, by model id
    mapped           those of other base models, by name, as the connection says
    hub, hub_token   where further ones are downloaded from, by name, and what that needs to be shown
    weights          those of the models that accounts made, by account and model id
    trainer_package  the directory of the package `trainer`
    environment      the trainer's Python environment, made by the first launch
    users            the first and the last of the user ids that trainers get where we are root
    limits           what one trainer may use of the machine
    least_free_bytes free space of the disk below which no trainer is started
    grace_seconds    what a trainer gets between SIGTERM and SIGKILL
    sampler_slots    how many samplers run at a time; their package lies beside the trainer's
    gpus             TYPE = NUMBER of GPUs that trainers share, "" for none
    datasets         the files of datasets, which trainers get copies of
    run_slots        how many recipes run at a time beside trainers; their package lies beside the trainer's
    run_limits       what one of these may use of the machine
    """

    root: Path
    slots: int
    bind: str
    host: str
    models: Path
    weights: Path
    trainer_package: Path
    environment: Path
    users: tuple[int, int] = (20_000, 59_999)
    limits: Limits = field(default_factory=Limits)
    least_free_bytes: int = 0
    grace_seconds: float = 3.0
    mapped: Mapping[str, Path] = field(default_factory=dict)
    hub: Mapping[str, str] = field(default_factory=dict)
    hub_token: str = field(default="", repr=False)
    sampler_slots: int = 1
    gpus: str = ""
    datasets: Path = Path("/nonexistent")
    run_slots: int = 2
    run_limits: Limits = field(default_factory=Limits)

    @property
    def _trainers(self) -> LocalTrainers:
        return LocalTrainers(
            root=self.root,
            slots=self.slots,
            bind=self.bind,
            places=self._models,
            users=self._users,
            package=self.trainer_package,
            environment=self.environment,
            gpus=self._gpus,
            limits=self.limits,
            grace_seconds=self.grace_seconds,
            least_free_bytes=self.least_free_bytes,
        )

    @property
    def samplers(self) -> LocalSamplers:
        """Where samplers run."""
        return LocalSamplers(
            root=self.root,
            slots=self.sampler_slots,
            bind=self.bind,
            host=self.host,
            places=self._models,
            users=self._users,
            turn=self._queue.turn,
            package=self._sampler_package,
            environment=self.environment,
            gpus=self._gpus,
            limits=self.limits,
            grace_seconds=self.grace_seconds,
            least_free_bytes=self.least_free_bytes,
            ask=partial(self._ask, Part.SAMPLERS),
        )

    @property
    def runs(self) -> LocalRuns:
        """Where recipes run beside trainers."""
        return LocalRuns(
            root=self.root,
            slots=self.run_slots,
            users=self._users,
            turn=self._queue.turn,
            package=self.trainer_package.parent / "runner",
            trainer_environment=self.environment,
            datasets=self.datasets,
            gpus=self._gpus,
            least_free_bytes=self.least_free_bytes,
            limits=self.run_limits,
            grace_seconds=self.grace_seconds,
            ask=partial(self._ask, Part.RUNS),
        )

    @property
    def _sampler_package(self) -> Path:
        return self.trainer_package.parent / "sampler"

    @property
    def _models(self) -> capability.ModelPlaces:
        addresses = {model: HubAddress.read(address) for model, address in self.hub.items()}
        hub = HubModels(self.root, addresses, self.hub_token)
        return capability.ModelPlaces(self.models, self.weights, self.mapped, hub)

    @property
    def capabilities(self) -> Capabilities:
        """Each attempt is looked at by itself, often: that costs a few files."""
        return Capabilities(
            poll_seconds=1.0,
            runs_here=True,
            looks_before_lost=1,
            merges=True,
            brings_models=True,
            runs_samplers=self._sampler_package.is_dir(),
            trainer_slots=self.slots,
            sampler_slots=self.sampler_slots,
        )

    def identify(self) -> Identity:
        """The machine. Errors: `Retryable`."""
        with faults():
            others = self._users.obstacle()
            models = capability.mapped_models(self._models, others=not others)
        machine = ("Machine", socket.gethostname())
        return Identity((machine, ("Trainers run as", others or "a user of their own each"), *models))

    def capacity(self) -> Capacity:
        """The slots, and what fills them. Errors: `Retryable`."""
        with faults():
            standing = self._attempts.advance()
            started = [each for each in self._queue.references() if each not in standing.waiting]
            running = sum(map(self.slots_of(Part.TRAINERS).takes, started))
            had = self._gpus
            pools = (GpuPool(had.kind, had.count, len(had.free(self._queue))),) if had.count else ()
        return Capacity(pools, len(standing.waiting), running, self.slots)

    @property
    def type_question(self) -> None:
        """There is one type at most."""

    def type_for(self, spec: TrainerSpec) -> str:
        """Of the GPUs that the spec gets."""
        return spec.accelerator_type or (self._gpus.kind if spec.accelerator_count else "")

    def observe_many(self, references: Sequence[Reference]) -> Mapping[Reference, Observation | ProviderError]:
        """One after the other. Errors: none, each attempt has its own."""
        seen: dict[Reference, Observation | ProviderError] = {}
        for reference in references:
            try:
                seen[reference] = self.observe(reference)
            except ProviderError as error:
                seen[reference] = error
        return seen

    def recipes(self, spec: TrainerSpec) -> Sequence[Recipe]:
        """The recipes, the default one first."""
        return recipes.recipes_for(spec, self.trainer_package)

    def fits(self, spec: TrainerSpec) -> Sequence[str]:
        """Why the spec cannot run here; empty where it can."""
        offered = recipes.recipes_for(spec, self.trainer_package)
        others = lambda: not self._users.obstacle()  # noqa: E731  (asked where it matters alone)
        return list(
            capability.reasons_against(spec, self._models, offered, slots=self.slots, gpus=self._gpus, others=others)
        )

    def tokenizer(self, base_model: str) -> Mapping[str, bytes]:
        """The files of the model's tokenizer, by name; none where the model is not here. Errors: `Retryable`."""
        with faults():
            try:
                directory = capability.model_directory(self._models, base_model)
            except FileNotFoundError:
                return {}
            return tokenizers.read_tokenizer(directory or self._demo(base_model))

    def has_chat_template(self, base_model: str) -> bool | None:
        """Whether the model takes messages; None where it is not here."""
        with suppress(OSError):
            directory = capability.model_directory(self._models, base_model)
            return tokenizers.has_chat_template(directory or self._demo(base_model))
        return None

    def _demo(self, base_model: str) -> Path:
        return self.trainer_package / "tiny_models" / base_model.rpartition("/")[2]

    def submit(self, submission: Submission) -> None:
        """Take the attempt. Where a slot is free it starts as soon as it is looked at, which whoever submits does next.

        Errors: `NotYet` while its dataset is being copied, `Rejected`, `Retryable`.
        """
        with faults():
            self._datasets.bring(submission)
            self._attempts.take(
                submission,
                refused=lambda: self.fits(submission.spec),
                busy=f"Another attempt of job {submission.reference.job} is not over yet.",
            )

    def observe(self, reference: Reference) -> Observation:
        """The state right now; also starts what waits for a slot that has become free. Errors: `Gone`, `Retryable`."""
        lost = "The trainer is gone; how it ended could not be noted yet: is this machine's disk full?"
        with faults():
            return self._attempts.observe(reference, lost=lost)

    def files_with_news(self, reference: Reference) -> Sequence[Path]:
        """Those of the attempt, and what its trainer records. Errors: `Gone`."""
        directory = self._folders.directory(reference)
        records = files.records_of(directory)
        of_trainer = [records / name for name in (files.METRICS, files.ENDPOINT, files.SESSION)]
        return [*of_trainer, *(directory / name for name in (files.LOG, files.PROGRESS, files.TRAINER, files.EXIT))]

    def cancel(self, reference: Reference) -> None:
        """Ask for the end. Errors: `Gone`, `Retryable`."""
        with faults():
            self._attempts.ask_to_end(reference)

    def delete(self, account: str, job: str, *, keep_checkpoints: bool = False) -> None:
        """Remove a job that is over, but for its checkpoints where these are to be kept: its id stays taken then.

        Errors: `Retryable` while an attempt is not over.
        """
        busy = f"Job {job} is not over yet; its files are removed when it is."
        with faults():
            self._folders.job_directory(account, job)
            self._attempts.remove(account, job, keep_checkpoints=keep_checkpoints, busy=busy)

    def delete_checkpoint(self, account: str, job: str, kind: CheckpointKind, name: str) -> None:
        """Remove one checkpoint; of a deleted job the last one takes the rest with it. Errors: `Gone`, `Retryable`."""
        with faults():
            self._folders.job_directory(account, job)
            with self._queue.turn():
                self._folders.remove_checkpoint(account, job, kind, name)
            self._folders.empty_trash()

    def merge(self, base_model: str, adapter_directory: Path, output_directory: Path) -> None:
        """Fold an adapter into its base, in minutes at most. Errors: `Rejected`, `Retryable`."""
        with faults():
            merge(self._lent, base_model, adapter_directory, output_directory)

    def count_tokens(self, base_model: str, dataset: Path) -> TokenLengths:
        """How long the rows of a dataset are by the model's tokenizer. Errors: `Rejected`, `Retryable`."""
        with faults():
            return count_tokens(self._lent, base_model, dataset)

    def has_tokenizer(self, base_model: str) -> bool:
        """Whether the model is here."""
        try:
            capability.model_directory(self._models, base_model)
        except FileNotFoundError:
            return False
        return True

    def forget_attempts(self, before: datetime) -> None:
        """Remove the folders of attempts, and of samplers, that ended before then; checkpoints lie elsewhere.

        Errors: `Retryable`.
        """
        with faults():
            self._folders.forget_attempts(before, files.EXIT)
        self.samplers.forget_ended(before)
        self.runs.forget_ended(before)

    def list_references(self) -> Sequence[Reference]:
        """Every attempt that is not over. Errors: `Retryable`."""
        with faults():
            return self._queue.references()

    def kept_submission(self, reference: Reference) -> KeptSubmission | None:
        """What the attempt was started with; None where its file cannot be read. Errors: `Gone`, `Retryable`."""
        with faults():
            return self._folders.kept_submission(reference)

    def logs(self, reference: Reference, after: int) -> LogChunk:
        """At most 64 KiB of log from the byte offset on. Errors: `Gone`, `Retryable`."""
        with faults():
            return self._folders.logs(reference, after)

    def metrics(self, reference: Reference, offset: int) -> MetricPage:
        """At most 1,000 records from the byte offset on. Errors: `Gone`, `Retryable`."""
        with faults():
            return self._folders.metrics(reference, offset)

    def checkpoints(self, account: str, job: str) -> CheckpointList:
        """The job's checkpoints, also of one that was deleted but for them. Errors: `Gone`, `Retryable`."""
        with faults():
            return self._folders.checkpoints(account, job, live=self._queue.holds(account, job))

    def open_artifact(self, account: str, job: str, kind: CheckpointKind, name: str, path: str) -> BinaryIO:
        """A file of a checkpoint, open for reading. Errors: `Gone`, `Retryable`."""
        with faults():
            return self._folders.open_artifact(account, job, kind, name, path)

    def stop_all(self, grace_seconds: float) -> Sequence[Reference]:
        """End every trainer because the host stops: SIGTERM, and SIGKILL for what is left after the grace period.

        Returns the attempts that were stopped. Those that wait for a slot go on waiting: for ten seconds nothing is
        started, whoever observes, so stop the workers meanwhile. Errors: `HostAway`, `Retryable`.
        """
        with faults():
            return HostClient(self.root).stop(grace_seconds)

    def slots_of(self, part: Part) -> Slots:
        """For trainer-host alone: whom it starts, and how."""
        match part:
            case Part.TRAINERS:
                return self._trainers.owned
            case Part.SAMPLERS:
                return self.samplers.owned
            case Part.RUNS:
                return self.runs.owned

    def _ask(self, part: Part) -> QueueState:
        return HostClient(self.root).advance(part, settings_of(self))

    @property
    def _lent(self) -> LentProcess:
        return LentProcess(
            self.root,
            self._models,
            self._users,
            self._queue.turn,
            self.trainer_package,
            self.environment,
            self.limits,
            self._gpus,
        )

    @property
    def _datasets(self) -> LocalDatasets:
        return LocalDatasets(self.datasets, self._folders, self.least_free_bytes)

    @property
    def _folders(self) -> JobFolders:
        return trainer_folders(self.root)

    @property
    def _attempts(self) -> LocalAttempts:
        return LocalAttempts(self._folders, self.slots, self.host, partial(self._ask, Part.TRAINERS))

    @property
    def _queue(self) -> Queue:
        return Queue(self._folders)

    @property
    def _gpus(self) -> Gpus:
        return Gpus.of(self.gpus)

    @property
    def _users(self) -> JobUsers:
        behind = (self.environment / "bin" / "python").resolve().parents[1]  # the environment may be another Python's
        pythons = (Path(sys.base_prefix), behind)
        needed = (*pythons, self.trainer_package.parent, self.trainer_package, self.environment)
        return JobUsers(self.root, *self.users, needed=needed)
