"""What lies of jobs under one root: <root>/jobs/<account>/<job>/ with checkpoints, sampler weights and attempts.

Whoever changes anything here holds a lock of its own meanwhile, and knows whether the job is over.
"""

from __future__ import annotations

import json
import math
import time
import uuid
from bisect import bisect_right
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from connections.providers.attempts import Reference, Submission
from connections.providers.checkpoints import CheckpointKind, CheckpointList
from connections.providers.errors import Gone, Rejected
from connections.providers.runs import RunSubmission
from connections.providers.samplers import SamplerRecordPage, SamplerSubmission
from connections.providers.spec import TrainerSpec
from connections.providers.submissions import KeptSubmission
from connections.providers.telemetry import LogChunk, MetricPage
from connections.providers.trainer_files import checkpoints, files, records
from wire.names import is_id

TIDYING_SECONDS = 120.0
TIDIED = "tidied"  # by the provider: the job that was tidied last


@dataclass(frozen=True)
class JobFolders:
    """The folders of a connection's jobs; `place` is where that is, for people: "on this machine"."""

    root: Path
    place: str

    def job_directory(self, account: str, job: str) -> Path:
        """Where a job lives, whether it exists or not. Errors: `Gone` for names that no job can have."""
        if not (is_id(account) and is_id(job)):
            raise Gone(f"There is no job {job[:80]!r} of account {account[:80]!r} {self.place}.")
        return self.root / "jobs" / account / job

    def directory(self, reference: Reference) -> Path:
        """Where an attempt lives, whether it exists or not. Errors: `Gone` for names that no attempt can have."""
        if reference.attempt < 1:
            raise Gone(f"There is no attempt {reference.attempt}: the first is 1.")
        return self.job_directory(reference.account, reference.job) / files.ATTEMPTS / str(reference.attempt)

    def find(self, reference: Reference) -> Path:
        """Where an attempt lives. Errors: `Gone`."""
        directory = self.directory(reference)
        if not directory.is_dir():
            raise Gone(f"Attempt {reference.attempt} of job {reference.job} is not {self.place} (any more).")
        return directory

    def place_for(self, submission: Submission | SamplerSubmission | RunSubmission) -> Path:
        """Where the attempt lies or will lie. Errors: `Rejected` where it cannot be this launch's."""
        reference = submission.reference
        try:
            directory = self.directory(reference)
        except Gone as error:
            raise Rejected(str(error)) from None
        job_directory = directory.parent.parent
        if (job_directory / files.DELETED).exists():
            raise Rejected(
                f"The job {reference.job} was deleted; of it, checkpoints alone are kept. Launch it under another "
                "id, and load one of them there."
            )
        if _is_anothers(submission, directory):
            raise Rejected(
                f"The job id {reference.job} belongs to files of another launch {self.place}, of which this "
                f"Slipway knows nothing (any more): {job_directory}. Launch it under another job id."
            )
        return directory

    def write(self, submission: Submission | SamplerSubmission | RunSubmission, directory: Path) -> Path:
        """What a new attempt needs until it starts, in a directory beside its final one. Errors: `OSError`."""
        files.make_directory(directory.parent.parent / files.CHECKPOINTS)
        files.make_directory(directory.parent)
        part = directory.with_name(f".{directory.name}.part")
        if part.exists():
            files.remove_tree(part)
        part.mkdir(mode=0o700)
        files.make_room(part)
        recorded = {"reference": asdict(submission.reference), "spec": submission.spec.as_json()}
        files.fill(part, {files.TOKEN: submission.token, files.SUBMISSION: json.dumps(recorded, allow_nan=False)})
        return part

    def newest_checkpoint(self, directory: Path) -> str:
        """The checkpoint that the attempt goes on from, "" for none."""
        saved = checkpoints.read_checkpoints(directory.parent.parent / files.CHECKPOINTS).records
        return saved[-1].name if saved and int(directory.name) > 1 else ""

    def kept_submission(self, reference: Reference) -> KeptSubmission | None:
        """What the attempt was started with; None where its file cannot be read. Errors: `Gone`."""
        directory = self.find(reference)
        recorded = files.read_json(directory / files.SUBMISSION)
        try:
            spec = TrainerSpec.from_json(recorded["spec"]) if recorded else None
            token = files.read_word(directory / files.TOKEN)
        except (KeyError, TypeError, ValueError, FileNotFoundError):
            return None
        return KeptSubmission(spec.training_shape_version, {}, spec, token) if spec else None

    def logs(self, reference: Reference, after: int) -> LogChunk:
        """At most 64 KiB of log from the byte offset on. Errors: `Gone`."""
        return records.read_log(self.find(reference) / files.LOG, after)

    def metrics(self, reference: Reference, offset: int) -> MetricPage:
        """At most 1,000 records from the byte offset on. Errors: `Gone`."""
        return records.read_metrics(files.records_of(self.find(reference)) / files.METRICS, offset)

    def sampler_records(self, reference: Reference, offset: int) -> SamplerRecordPage:
        """At most 1,000 records of a sampler from the byte offset on. Errors: `Gone`."""
        return records.read_sampler_records(files.records_of(self.find(reference)) / files.METRICS, offset)

    def checkpoints(self, account: str, job: str, *, live: bool) -> CheckpointList:
        """The job's checkpoints, also of one that was deleted but for them. Errors: `Gone`."""
        directory = self.job_directory(account, job)
        if not directory.is_dir():
            raise Gone(f"There is no job {job} of account {account} {self.place}.")
        return checkpoints.read_all(directory, live=live)

    def open_artifact(self, account: str, job: str, kind: CheckpointKind, name: str, path: str) -> BinaryIO:
        """A file of a checkpoint, open for reading. Errors: `Gone`."""
        try:
            return checkpoints.open_file(self.job_directory(account, job), kind, name, path)
        except FileNotFoundError:
            raise Gone(f"There is no file {path[:200]!r} in checkpoint {name[:80]!r} of job {job}.") from None

    def remove(self, account: str, job: str, *, keep_checkpoints: bool) -> None:
        """Remove a job that is over, but for its checkpoints where these are to be kept: its id stays taken then."""
        directory = self.job_directory(account, job)
        if keep_checkpoints and checkpoints.holds_any(directory):
            files.mark(directory / files.DELETED)
            for remains in checkpoints.remains_of(directory):
                self._throw_away(remains)
        else:
            self._throw_away(directory)

    def remove_checkpoint(self, account: str, job: str, kind: CheckpointKind, name: str) -> None:
        """Remove one checkpoint; of a deleted job the last one takes the rest with it. Errors: `Gone`."""
        directory = self.job_directory(account, job)
        if not is_id(name):
            raise Gone(f"There is no checkpoint {name[:80]!r} of job {job}.")
        checkpoints.move_away(directory, kind, name, self._place_in_trash())
        if (directory / files.DELETED).exists() and not checkpoints.holds_any(directory):
            self._throw_away(directory)

    def forget_attempts(self, before: datetime, ending: str, seconds: float = TIDYING_SECONDS) -> None:
        """Remove the folders of attempts whose file `ending` is older; checkpoints lie elsewhere.

        Of many jobs as many as it gets to within so many seconds; the next call goes on with those after them.
        """
        deadline, job = time.monotonic() + seconds, None
        self.empty_trash(deadline)
        try:
            for job in self._in_turn():
                for file in job.glob(f"{files.ATTEMPTS}/*/{ending}"):
                    if file.stat().st_mtime < before.timestamp():
                        self._throw_away(file.parent)
                if time.monotonic() > deadline:
                    return
        finally:
            if job is not None:
                files.write_text(self.root / TIDIED, f"{job.parent.name}/{job.name}")
        self.empty_trash(deadline)

    def _in_turn(self) -> list[Path]:
        """The folders of all jobs, those first that come after the one that was tidied last."""
        jobs = sorted(self.root.glob("jobs/*/*"))
        last = ""
        with suppress(FileNotFoundError):
            last = files.read_word(self.root / TIDIED)
        begin = bisect_right(jobs, self.root / "jobs" / last) if last else 0
        return jobs[begin:] + jobs[:begin]

    def empty_trash(self, deadline: float = math.inf) -> None:
        """Remove what was thrown away; what stays, as it does from the deadline on, is taken the next time."""
        trash = self.root / "trash"
        for remains in trash.iterdir() if trash.is_dir() else ():
            if time.monotonic() > deadline:
                return
            files.remove_tree(remains)

    def _throw_away(self, directory: Path) -> None:
        """Gone at once and as a whole, whatever dies now."""
        with suppress(FileNotFoundError):
            directory.rename(self._place_in_trash())

    def _place_in_trash(self) -> Path:
        trash = self.root / "trash"
        files.make_directory(trash)
        return trash / uuid.uuid4().hex


def _is_anothers(submission: Submission | SamplerSubmission | RunSubmission, directory: Path) -> bool:
    """Whether what lies here under the job's id was left by another launch, which an older database has forgotten."""
    if directory.exists():
        return files.read_word(directory / files.TOKEN) != submission.token
    return submission.reference.attempt == 1 and checkpoints.holds_any(directory.parent.parent)
