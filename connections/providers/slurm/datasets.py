"""Datasets on their way to the cluster: a job gets a copy of its own in the shared directory, once for all attempts."""

from __future__ import annotations

import time
from pathlib import Path

from connections.providers.attempts import Submission
from connections.providers.errors import NotYet, Rejected
from connections.providers.slurm.ground import SlurmGround
from connections.providers.spec import DatasetFile
from connections.providers.trainer_files import files
from connections.providers.trainer_files.config import data_of
from connections.providers.trainer_files.copying import STEP_SECONDS, go_on_copying, how_far

LOCK = "dataset.lock"


def bring(ground: SlurmGround, submission: Submission) -> None:
    """Copy what the submission trains on and measures. Errors: `NotYet` with how far it is, `Rejected`, `OSError`."""
    job_directory = ground.folders.place_for(submission).parent.parent
    for dataset, name in data_of(submission.spec):
        _bring(ground, dataset, job_directory, job_directory / name)


def _bring(ground: SlurmGround, dataset: DatasetFile, job_directory: Path, target: Path) -> None:
    """Errors: as above."""
    source = ground.datasets / Path(dataset.file).name
    if target.exists():
        return
    if not source.is_file():
        raise Rejected(f"The dataset {dataset.name} is not here (any more). Upload it again.")
    files.make_directory(job_directory)
    total = source.stat().st_size
    with files.locked(job_directory / LOCK, 0) as lock:
        if lock is None:
            raise NotYet(f"{dataset.name} is being copied to the cluster.")
        go_on_copying(
            source,
            target,
            deadline=time.monotonic() + STEP_SECONDS,
            told=lambda done: f"Copying {dataset.name} to the cluster: {how_far(done, total)}.",
        )
