"""What is said of an attempt right now; that it is over is written down."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from connections.providers.attempts import Observation, Reference
from connections.providers.errors import Gone
from connections.providers.slurm import standing, states
from connections.providers.slurm.answers import SlurmJob
from connections.providers.slurm.endings import AttemptEnding, ending_of, exit_facts, read_ending, write_ending
from connections.providers.slurm.ground import SlurmGround
from connections.providers.slurm.names import name_of
from connections.providers.slurm.sending import send_again
from connections.providers.states import Reason
from connections.providers.trainer_files import files


def look(ground: SlurmGround, reference: Reference) -> Observation:
    """By a look of its own. Errors: `Gone`, `OSError`, `Retryable`."""
    directory = ground.folders.find(reference)
    if ended := read_ending(directory):
        return standing.over(directory, ended)
    if shared := _shared(ground, reference, directory):
        return observation(ground, reference, shared)
    jobs = ground.jobs()
    is_unknown = standing.job_of(directory, ground.named(reference, jobs)) is None
    if is_unknown and send_again(ground, reference, directory):
        jobs = ground.jobs()
    return observation(ground, reference, jobs)


def _shared(ground: SlurmGround, reference: Reference, directory: Path) -> tuple[SlurmJob, ...]:
    """What another look was told a moment ago, of what ran then and says no end: all else needs what Slurm says now."""
    jobs = ground.jobs_lately()
    job = standing.job_of(directory, ground.named(reference, jobs))
    return jobs if job and job.state == "RUNNING" and not (directory / files.EXIT).exists() else ()


def observation(ground: SlurmGround, reference: Reference, jobs: tuple[SlurmJob, ...]) -> Observation:
    """What is said of the attempt, given all jobs. Errors: as `look`."""
    directory = ground.folders.find(reference)
    if ended := read_ending(directory):
        return standing.over(directory, ended)
    job = standing.job_of(directory, ground.named(reference, jobs)) or _accounted(ground, reference, directory)
    if ended := ending_of(directory, job, datetime.now(UTC) - ground.settling):
        return _end(ground, directory, ended, job)
    if job is None:
        raise Gone(
            f"Slurm knows no job {name_of(ground.instance, reference)} (any more), and nothing says how it ended."
        )
    if job.state in states.WAITING:
        return standing.waiting(directory, job, jobs)
    if job.state not in states.UNFINISHED:
        words = f"It has ended. Slurm says {job.words}; what it wrote last is waited for."
        return replace(standing.live(directory, job, "", None), detail=words)
    return standing.live(directory, job, _host(ground, job), ground.dial)


def _accounted(ground: SlurmGround, reference: Reference, directory: Path) -> SlurmJob | None:
    """Its job as the accounting knows it, where that is over: the controller has forgotten it."""
    if (facts := exit_facts(directory)) and facts.get("asked") is not True:
        return None  # which says it all
    since = datetime.fromtimestamp((directory / files.SUBMISSION).stat().st_mtime, UTC)
    found = ground.client.accounted(name_of(ground.instance, reference), since)
    return standing.job_of(directory, [job for job in found if job.state not in states.UNFINISHED])


def _end(ground: SlurmGround, directory: Path, ended: AttemptEnding, job: SlurmJob | None) -> Observation:
    if not (directory / files.EXIT).exists():
        # Its node may have lost Slurm and nothing else: what runs there looks for this, and ends.
        files.mark(directory / files.HOST_STOPPED)
    write_ending(directory, ended, job)
    if job and ended.reason is Reason.PREEMPTED and job.state in states.WAITING | states.ENDING:
        # Put back into the queue, it would start once more to find that it is over.
        ground.client.cancel(job.job_id)
    return standing.over(directory, ended)


def _host(ground: SlurmGround, job: SlurmJob) -> str:
    """Where the job's first node is reached, "" while that is not known."""
    if not job.node:
        return ""
    if ground.config.reach:
        return ground.config.reach.replace("{node}", job.node)
    if job.node not in ground.addresses:
        ground.addresses[job.node] = ground.client.address(job.node)
    return ground.addresses[job.node]
