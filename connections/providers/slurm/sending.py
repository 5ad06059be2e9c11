"""An attempt on its way to Slurm: written down, looked up by its name, and submitted once."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from connections.providers.attempts import Reference, Submission
from connections.providers.errors import Rejected, Retryable
from connections.providers.slurm import capability, made_models, script, standing, states
from connections.providers.slurm.endings import ENDING
from connections.providers.slurm.ground import SlurmGround
from connections.providers.slurm.job import owner_of
from connections.providers.slurm.names import name_of
from connections.providers.slurm.release import put_release
from connections.providers.spec import TrainerSpec
from connections.providers.trainer_files import files
from connections.providers.trainer_files.config import make_config
from connections.providers.trainer_files.recipes import recipes_for

REMEMBERED_SECONDS = 120.0
"""For less than that no Slurm forgets a job by itself (MinJobAge, 300 unless set)."""


def send(ground: SlurmGround, submission: Submission) -> None:
    """Write the attempt down and have Slurm take its job, unless it has. In a turn.

    Errors: `OSError`, `Rejected`, `Retryable`.
    """
    reference, spec = submission.reference, submission.spec
    directory = ground.folders.place_for(submission)
    if not directory.exists():
        offered = recipes_for(spec, ground.trainer_package)
        if reasons := tuple(capability.reasons_against(spec, ground.config, ground.models, ground.weights, offered)):
            raise Rejected(" ".join(reasons))
        if ground.unfinished(reference.account, reference.job):
            raise Retryable(f"Another attempt of job {reference.job} is not over yet.")
        ground.folders.write(submission, directory).rename(directory)
        files.sync_directory(directory.parent)
    if not (directory / ENDING).exists() and not (directory / standing.NUMBER).exists():
        _note(ground, reference, directory, spec)


def send_again(ground: SlurmGround, reference: Reference, directory: Path) -> bool:
    """Submit what Slurm took a moment ago and knows nothing of any more; whether it was so, and nothing had started.

    A controller that is killed loses what it took in its last seconds. Should both run after all, one claims the
    attempt. Errors: as `send`.
    """
    if not _was_forgotten(directory):
        return False
    kept = ground.folders.kept_submission(reference)
    if kept and kept.spec:
        with ground.turn():
            _note(ground, reference, directory, kept.spec)
    return True


def _was_forgotten(directory: Path) -> bool:
    with suppress(FileNotFoundError):
        taken = (directory / standing.NUMBER).stat().st_mtime
        return time.time() - taken < REMEMBERED_SECONDS and not owner_of(directory)
    return False


def _note(ground: SlurmGround, reference: Reference, directory: Path, spec: TrainerSpec) -> None:
    job_id = _find_job(ground, reference, directory) or _submit(ground, reference, directory, spec)
    files.write_text(directory / standing.NUMBER, job_id)


def _find_job(ground: SlurmGround, reference: Reference, directory: Path) -> str:
    """The number of the job that an earlier try submitted, "" where there is none. A second one is cancelled."""
    found = ground.named(reference, ground.client.jobs())
    kept = standing.job_of(directory, found)
    for job in found:
        if kept and job.job_id != kept.job_id and job.state in states.UNFINISHED:
            ground.client.cancel(job.job_id)
    return kept.job_id if kept else owner_of(directory)


def _submit(ground: SlurmGround, reference: Reference, directory: Path, spec: TrainerSpec) -> str:
    """Write what the job runs, and submit it; its number. Errors: `OSError`, `Rejected`, `Retryable`."""
    job_directory, code = directory.parent.parent, put_release(ground.root, ground.trainer_package)
    for folder in (directory / files.RECORDS, job_directory / files.SAMPLER):
        files.make_directory(folder)
    config = make_config(
        spec,
        directory=directory,
        job_directory=job_directory,
        model_directory=made_models.place_of(ground, spec.base_model),
        model_cache=ground.root / "model-cache",
        models_root=ground.root / made_models.MODELS / reference.account,
        bind=ground.config.bind,
        resume_from=ground.folders.newest_checkpoint(directory),
        nodes=spec.trainer_nodes,
    )
    files.write_json(directory / files.CONFIG, config)
    plan = script.plan(
        spec,
        ground.config,
        directory=directory,
        code=code,
        trainer=ground.trainer_package.name,
        made=ground.root / "trainer-env",
    )
    files.write_json(directory / files.PLAN, plan)
    options = script.options(
        spec, ground.config, name=name_of(ground.instance, reference), log=directory / files.LOG, folder=directory
    )
    return ground.client.submit(options, script.script(ground.config, directory=directory, code=code))
