"""Datasets of launches on this machine: a job gets a copy of its own, which its trainer can read and not write."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from connections.providers.attempts import Submission
from connections.providers.errors import NotYet, Rejected, Retryable
from connections.providers.local.users import ROOT, SHARED_FILE, JobUser
from connections.providers.runs import RunSubmission
from connections.providers.spec import DatasetFile
from connections.providers.trainer_files import files
from connections.providers.trainer_files.config import data_of
from connections.providers.trainer_files.copying import STEP_SECONDS, beside_of, go_on_copying, how_far
from connections.providers.trainer_files.job_folders import JobFolders

LOCK = "dataset.lock"


@dataclass(frozen=True)
class LocalDatasets:
    """`folder` has the files of datasets, which Slipway's own user alone may read; so much of the disk stays free."""

    folder: Path
    jobs: JobFolders
    least_free_bytes: int

    def bring(self, submission: Submission | RunSubmission) -> None:
        """Copy the files that the submission trains on and measures into its job's folder, once for all attempts.

        A copy and no link: whoever owns a file, or has it open, writes to all of its names. Nobody else waits for it.
        Errors: `NotYet` with how far it is, `Rejected`, `Retryable` without the space for it, `OSError`.
        """
        job_directory = self.jobs.place_for(submission).parent.parent
        for dataset, name in data_of(submission.spec):
            self._bring(dataset, job_directory, job_directory / name)

    def _bring(self, dataset: DatasetFile, job_directory: Path, target: Path) -> None:
        """Errors: as above."""
        source = self.folder / Path(dataset.file).name
        if target.exists():
            return
        if not source.is_file():
            raise Rejected(f"The dataset {dataset.name} is not on this machine (any more). Upload it again.")
        files.make_directory(job_directory)
        with files.locked(job_directory / LOCK, 0) as lock:
            if lock is None:
                raise NotYet(f"{dataset.name} is being copied for its trainer.")
            self._go_on(dataset.name, source, target)

    def _go_on(self, name: str, source: Path, target: Path) -> None:
        """Errors: as above."""
        part, total = beside_of(target), source.stat().st_size
        part.touch(mode=0o600)
        missing = total - part.stat().st_size
        if shutil.disk_usage(part).free - missing < self.least_free_bytes:
            part.unlink()
            raise Retryable(
                f"{name} needs {total // 1_000_000:,} MB of this machine's disk, and less than "
                f"{self.least_free_bytes // 1_000_000:,} MB would be left (SLIPWAY_LEAST_FREE_MB). Free some space."
            )
        try:
            go_on_copying(
                source,
                target,
                deadline=time.monotonic() + STEP_SECONDS,
                told=lambda done: f"Copying {name} for its trainer: {how_far(done, total)}.",
            )
        except OSError:
            part.unlink(missing_ok=True)  # such as on a full disk, which it helped to fill
            raise
        target.chmod(0o400)


def forget_copies(job_directory: Path) -> None:
    """Remove what a job trains on and measures, which can be copied again. Errors: `OSError`."""
    for name in (files.DATASET, files.EVALUATION):
        for copy in (job_directory / name, beside_of(job_directory / name)):
            copy.unlink(missing_ok=True)


def let_read(job_directory: Path, user: JobUser) -> None:
    """Let the job's user read, and not write, what it trains on and measures, where that is any. Errors: `OSError`."""
    for name in (files.DATASET, files.EVALUATION):
        target = job_directory / name
        if target.exists():
            os.chown(target, ROOT, user.uid)
            target.chmod(SHARED_FILE)
