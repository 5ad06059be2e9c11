"""Datasets of launches on this machine: a job gets a copy of its own, which its trainer can read and not write."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from connections.providers.base import Submission
from connections.providers.local.users import ROOT, SHARED_FILE, JobUser
from connections.providers.trainer_files import files
from connections.providers.trainer_files.job_folders import JobFolders


@dataclass(frozen=True)
class LocalDatasets:
    """`folder` has the files of datasets, which Slipway's own user alone may read."""

    folder: Path
    jobs: JobFolders

    def take(self, submission: Submission) -> Iterator[str]:
        """Copy the dataset that the submission trains on into its job's folder, once for all attempts; or say why not.

        A copy and no link: whoever owns a file, or has it open, writes to all of its names. Errors: `Gone`, `OSError`.
        """
        dataset, reference = submission.spec.dataset, submission.reference
        if dataset is None:
            return
        target = self.jobs.job_directory(reference.account, reference.job) / files.DATASET
        source = self.folder / Path(dataset.file).name
        if target.exists():
            return
        if not source.is_file():
            yield f"The dataset {dataset.name} is not on this machine (any more). Upload it again."
            return
        files.make_directory(target.parent)
        part = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.copyfile(source, part)
        part.chmod(0o400)
        part.replace(target)


def let_read(job_directory: Path, user: JobUser) -> None:
    """Let the job's user read the dataset, where there is one, and not write it. Errors: `OSError`."""
    target = job_directory / files.DATASET
    if target.exists():
        os.chown(target, ROOT, user.uid)
        target.chmod(SHARED_FILE)
