"""What is said of an attempt, of its files and of what Slurm says of its job."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from connections.providers.attempts import Observation
from connections.providers.optional import Dial
from connections.providers.slurm import states
from connections.providers.slurm.answers import SlurmJob
from connections.providers.slurm.endings import LONGEST, AttemptEnding, used_by
from connections.providers.slurm.job import is_number, owner_of
from connections.providers.states import AttemptState
from connections.providers.trainer_files import files, liveness, records
from connections.providers.trainer_files.config import resumed_from

NUMBER = "slurm-job"  # by the provider: the job's number as sbatch answered it


def job_of(directory: Path, jobs: Sequence[SlurmJob]) -> SlurmJob | None:
    """Of the jobs of one name the one that runs the attempt: who claimed it, was noted, or was first."""
    owner = owner_of(directory)
    if found := next((job for job in jobs if job.job_id == (owner or number_of(directory))), None):
        return found
    if owner:
        return None  # Slurm has forgotten it; another one of the name ran nothing
    alive = [job for job in jobs if job.state in states.UNFINISHED]
    return min(alive or jobs, key=lambda job: int(job.job_id or 0), default=None)


def number_of(directory: Path) -> str:
    """The job's number as it was noted, "" where it was not."""
    with suppress(FileNotFoundError):
        if is_number(noted := files.read_word(directory / NUMBER)):
            return noted
    return ""


def waiting(directory: Path, job: SlurmJob, jobs: tuple[SlurmJob, ...]) -> Observation:
    """Of an attempt whose job waits in the queue of the cluster."""
    now = datetime.now(UTC)
    return Observation(
        _asked(directory) or AttemptState.PENDING,
        states.waiting_words(job.reason),
        queue_position=states.ahead_of(job, jobs) + 1,
        resumed_from=resumed_from(directory),
        since=job.submitted,
        remote_id=job.job_id,
        remote_state=job.words[:64],
        estimated_start=states.estimated_start(job, now),
    )


def live(directory: Path, job: SlurmJob, host: str, dial: Dial | None) -> Observation:
    """Of an attempt whose job runs; `host` is where its node is reached by `dial`, "" where nobody knows yet."""
    progress, limits = records.read_progress(directory / files.PROGRESS)
    port = liveness.port_of(directory) if host else None
    ready = False
    if asked := _asked(directory):
        state, detail = asked, "Asked to end."
    elif job.state in states.BOOTING:
        state, detail = AttemptState.CREATING, "Its nodes start."
    elif not (directory / files.TRAINER).exists():
        state, detail = AttemptState.CREATING, progress[-1].message if progress else f"Starting on {job.nodes}"
    else:
        is_up = job.state == "RUNNING" and not (directory / files.EXIT).exists()
        ready = port is not None and is_up and liveness.answers(host, port, liveness.token_of(directory), dial)
        state, detail = AttemptState.RUNNING, "" if ready else _not_ready(job, is_up=is_up)
    return Observation(
        state,
        detail,
        ready=ready,
        endpoint=f"http://{liveness.in_url(host)}:{port}" if port else "",
        resumed_from=resumed_from(directory),
        session_opened=files.read_json(files.records_of(directory) / files.SESSION) is not None,
        progress=progress,
        limits=limits,
        since=job.starts,
        remote_id=job.job_id,
        remote_state=job.words[:64],
        nodes=job.nodes[:LONGEST],
        gpus=job.gpu_words[:LONGEST],
        gpu_seconds=job.gpu_seconds(datetime.now(UTC)),
    )


def over(directory: Path, ended: AttemptEnding) -> Observation:
    """Of an attempt that is over."""
    progress, limits = records.read_progress(directory / files.PROGRESS)
    return Observation(
        ended.state,
        ended.detail,
        ended.reason,
        resumed_from=resumed_from(directory),
        progress=progress,
        limits=limits,
        remote_id=owner_of(directory) or number_of(directory),
        remote_state=ended.engine[:64],
        **used_by(directory),
    )


def _asked(directory: Path) -> AttemptState | None:
    return AttemptState.CANCELLING if (directory / files.CANCELLED).exists() else None


def _not_ready(job: SlurmJob, *, is_up: bool) -> str:
    if job.state in {"SUSPENDED", "STOPPED"}:
        return "The cluster has suspended it."
    return "The trainer loads the model." if is_up else "It ends."
