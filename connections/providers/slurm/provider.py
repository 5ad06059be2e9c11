"""The provider interface over a Slurm cluster. All that is known lies in files and with Slurm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import structlog

from connections.providers.attempts import Observation, Reference, Submission
from connections.providers.base import Identity
from connections.providers.capabilities import Capabilities
from connections.providers.capacity import Capacity
from connections.providers.checkpoints import CheckpointKind, CheckpointList
from connections.providers.errors import ProviderError, Rejected, Retryable
from connections.providers.recipes import Recipe
from connections.providers.slurm import (
    capability,
    datasets,
    inspection,
    made_models,
    observing,
    script,
    sending,
    sizes,
    states,
    trying,
)
from connections.providers.slurm.endings import ENDING, AttemptEnding, write_ending
from connections.providers.slurm.ground import POLL_SECONDS, SlurmGround
from connections.providers.slurm.names import read_name
from connections.providers.spec import TrainerSpec
from connections.providers.states import AttemptState, Reason
from connections.providers.submissions import KeptSubmission
from connections.providers.telemetry import LogChunk, MetricPage
from connections.providers.trainer_files import files, recipes, tokenizers
from connections.providers.trials import Trial
from connections.providers.unnamed import TypeQuestion

LOOKS_AT_ONCE = 32
_SHOWN = 200
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class SlurmProvider(SlurmGround):
    """Has trainers run by a Slurm cluster."""

    @property
    def capabilities(self) -> Capabilities:
        """One squeue sees all attempts."""
        return Capabilities(poll_seconds=POLL_SECONDS, observes_many=True, brings_models=True)

    def identify(self) -> Identity:
        """The cluster, whether a job could be submitted, and whether its nodes see our folder. Errors: `Retryable`."""
        with self.faults():
            files.make_directory(self.root)
            return inspection.identify(self.client, self.config, self.root, self.instance, self.models)

    def capacity(self) -> Capacity:
        """GPUs of the partition by type, and who waits there. Errors: `Retryable`."""
        jobs = self.client.jobs()
        ours = [job for job in jobs if job.state in states.RUNNING and read_name(self.instance, job.name)]
        waiting = [job for job in jobs if job.state == "PENDING" and self.is_in_partition(job)]
        nodes, partition = self.client.nodes(), sizes.partition_of(self.client.partitions(), self.config)
        return Capacity(
            inspection.pools(nodes, self.config),
            queue_length=len(waiting),
            running=len(ours),
            machines=sizes.machines_of(list(inspection.in_partition(nodes, self.config)), self.config),
            most_nodes=partition.most_nodes if partition else None,
            most_minutes=partition.most_minutes if partition else None,
            out=tuple(inspection.out_of_service(nodes, self.config)),
        )

    def recipes(self, spec: TrainerSpec) -> Sequence[Recipe]:
        """The recipes, the default one first."""
        return recipes.recipes_for(spec, self.trainer_package)

    def fits(self, spec: TrainerSpec) -> Sequence[str]:
        """Why the spec can never run there, as far as the connection says."""
        return tuple(capability.reasons_against(spec, self.config, self.models, self.weights, self.recipes(spec)))

    def too_large(self, spec: TrainerSpec, capacity: Capacity) -> Sequence[str]:
        """Why no node and no partition there can hold the spec, by what Slurm last said of them."""
        return tuple(sizes.too_large(spec, self.config, capacity))

    @property
    def type_question(self) -> TypeQuestion | None:
        """Which GPU shapes get that name none, while nobody has said it."""
        return self.config.type_question

    def type_for(self, spec: TrainerSpec) -> str:
        """Of the GPUs that the spec gets there, "" where nobody has said it."""
        return script.type_for(spec, self.config)

    def tokenizer(self, base_model: str) -> Mapping[str, bytes]:
        """The files of the model's tokenizer, by name; none where this side does not see them. Errors: `Retryable`."""
        with self.faults():
            return tokenizers.read_tokenizer(self._directory_of(base_model))

    def has_chat_template(self, base_model: str) -> bool | None:
        """Whether the model takes messages; None where this side does not see it."""
        return tokenizers.has_chat_template(self._directory_of(base_model))

    def _directory_of(self, base_model: str) -> Path:
        demo = self.trainer_package / "tiny_models" / base_model.rpartition("/")[2]
        return self.models.get(base_model, made_models.made_here(self.weights, base_model) or demo)

    def try_out(self, spec: TrainerSpec) -> Trial:
        """What Slurm would do with the spec now. Errors: `Retryable`."""
        with self.faults():
            files.make_directory(self.root)
            return trying.try_out(self, spec)

    def submit(self, submission: Submission) -> None:
        """Write the attempt down and have Slurm take its job, unless it has. Errors: `Rejected`, `Retryable`."""
        with self.faults():
            made_models.bring(self, submission.spec)
            datasets.bring(self, submission)
        with self.faults(), self.turn():
            sending.send(self, submission)

    def observe(self, reference: Reference) -> Observation:
        """The state right now. Errors: `Gone`, `Retryable`."""
        with self.faults():
            return observing.look(self, reference)

    def observe_many(self, references: Sequence[Reference]) -> Mapping[Reference, Observation | ProviderError]:
        """By one squeue for all of them. Errors: `Retryable`."""
        if not references:
            return {}
        jobs = self.jobs()

        def look(reference: Reference) -> Observation | ProviderError:
            try:
                with self.faults():
                    return observing.observation(self, reference, jobs)
            except ProviderError as error:
                return error
            except Exception as error:  # what lies in one attempt's folder shall not hide the others
                log.exception("slurm.unread", job=reference.job, attempt=reference.attempt)
                return Retryable(f"What lies of attempt {reference.attempt} cannot be read: {error!r}"[:_SHOWN])

        with ThreadPoolExecutor(LOOKS_AT_ONCE) as pool:
            return dict(zip(references, pool.map(look, references), strict=True))

    def cancel(self, reference: Reference) -> None:
        """Ask for the end. Errors: `Gone`, `Retryable`."""
        with self.faults():
            directory = self.folders.find(reference)
            if (directory / ENDING).exists():
                return
            files.mark(directory / files.CANCELLED)  # first: a job that is just starting looks for it
            with self.turn():
                found = [job for job in self.named(reference, self.client.jobs()) if job.state in states.UNFINISHED]
                for job in found:
                    self.client.cancel(job.job_id)
                if not found and not (directory / files.WRAPPER).exists() and not (directory / ENDING).exists():
                    write_ending(directory, AttemptEnding(AttemptState.CANCELLED, Reason.USER, ""), None)

    def delete(self, account: str, job: str, *, keep_checkpoints: bool = False) -> None:
        """Remove a job that is over, but for its checkpoints where these are kept. Errors: `Gone`, `Retryable`."""
        with self.faults():
            for reference in self.unfinished(account, job):
                self.observe(reference)  # which writes down that it is over, where it is
            with self.turn():
                if self.unfinished(account, job):
                    raise Retryable(f"Job {job} is not over yet; its files are removed when it is.")
                self.folders.remove(account, job, keep_checkpoints=keep_checkpoints)
            self.folders.empty_trash()

    def list_references(self) -> Sequence[Reference]:
        """Every attempt whose job is in the connection's partition and not over. Errors: `Retryable`."""
        alive = [job for job in self.client.jobs() if job.state in states.UNFINISHED and self.is_in_partition(job)]
        found = {reference for job in alive if (reference := read_name(self.instance, job.name))}
        with self.faults():
            return [each for each in found if not (self.folders.directory(each) / ENDING).exists()]

    def kept_submission(self, reference: Reference) -> KeptSubmission | None:
        """What the attempt was started with; None where its file cannot be read. Errors: `Gone`, `Retryable`."""
        with self.faults():
            return self.folders.kept_submission(reference)

    def logs(self, reference: Reference, after: int) -> LogChunk:
        """At most 64 KiB of log from the byte offset on. Errors: `Gone`, `Retryable`."""
        with self.faults():
            return self.folders.logs(reference, after)

    def metrics(self, reference: Reference, offset: int) -> MetricPage:
        """At most 1,000 records from the byte offset on. Errors: `Gone`, `Retryable`."""
        with self.faults():
            return self.folders.metrics(reference, offset)

    def checkpoints(self, account: str, job: str) -> CheckpointList:
        """The job's checkpoints, also of one that was deleted but for them. Errors: `Gone`, `Retryable`."""
        with self.faults():
            return self.folders.checkpoints(account, job, live=bool(self.unfinished(account, job)))

    def delete_checkpoint(self, account: str, job: str, kind: CheckpointKind, name: str) -> None:
        """Remove one checkpoint; of a deleted job the last one takes the rest with it. Errors: `Gone`, `Retryable`."""
        with self.faults():
            self.folders.job_directory(account, job)
            with self.turn():
                self.folders.remove_checkpoint(account, job, kind, name)
            self.folders.empty_trash()

    def open_artifact(self, account: str, job: str, kind: CheckpointKind, name: str, path: str) -> BinaryIO:
        """A file of a checkpoint, open for reading. Errors: `Gone`, `Retryable`."""
        with self.faults():
            return self.folders.open_artifact(account, job, kind, name, path)

    def merge(self, base_model: str, adapter_directory: Path, output_directory: Path) -> None:  # noqa: ARG002
        """Errors: `Rejected`."""
        raise Rejected("This connection merges no adapters.")

    def forget_attempts(self, before: datetime) -> None:
        """Remove the folders of attempts that ended before then; checkpoints lie elsewhere. Errors: `Retryable`."""
        with self.faults():
            self.folders.forget_attempts(before, ENDING)
            made_models.tidy(self)
