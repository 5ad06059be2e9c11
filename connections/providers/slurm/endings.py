"""How an attempt ended: of what job.py wrote, what was asked for here, and Slurm's word. Written down once."""

from __future__ import annotations

import signal
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from connections.providers.slurm.answers import SlurmJob
from connections.providers.slurm.job import REQUEUED, TIME_LIMIT, WRAPPER_STAGE
from connections.providers.slurm.states import (
    ASKED,
    ENDS,
    LAUNCH_FAILED,
    NEVER_STARTED,
    STARTED_TWICE,
    UNFINISHED,
    EngineEnd,
    end_of,
)
from connections.providers.slurm.states import REQUEUED as REQUEUED_END
from connections.providers.states import FINAL, AttemptState, Reason
from connections.providers.trainer_files import files, outcome, records, values

ENDING = "ending.json"  # by the provider: the attempt is over
LONGEST, MOST_SECONDS = 200, 10**12
_START_CODES = {126, 127}
_LAUNCH_SIGNAL = 53
"""Slurm's number for a log or a directory that it cannot open."""
_APART = timedelta(seconds=5)
"""What two starts are apart at least: clocks differ."""
_TRAINERS_TIMEOUT = 3600
_OWN_ACCORD = {0, outcome.INACTIVE_CODE}


@dataclass(frozen=True)
class AttemptEnding:
    """The final state; `engine` is Slurm's own word."""

    state: AttemptState
    reason: Reason
    detail: str
    engine: str = ""


def read_ending(directory: Path) -> AttemptEnding | None:
    """What was written down; None while the attempt is not over."""
    match files.read_json(directory / ENDING):
        case {"state": str(state), "reason": str(reason), "detail": str(detail), "engine": str(engine)}:
            if state in FINAL and reason in set(Reason):
                words = values.printable(detail)[: outcome.MAX_DETAIL]
                return AttemptEnding(AttemptState(state), Reason(reason), words, values.plain(engine)[:64])
    return None


def write_ending(directory: Path, ended: AttemptEnding, job: SlurmJob | None) -> None:
    """For good; with what Slurm said, for people who look there. Errors: `OSError`."""
    told = {"state": ended.state, "reason": ended.reason, "detail": ended.detail, "engine": ended.engine}
    files.write_json(directory / ENDING, told | _record(job))


def ending_of(directory: Path, job: SlurmJob | None, settled: datetime) -> AttemptEnding | None:
    """How it ended; None where it did not, or where somebody has still to say how.

    What a node wrote before `settled` can be seen from here.
    """
    facts = exit_facts(directory)
    engine = job.words if job else ""
    if facts and facts.get("stage") == "trainer" and facts.get("code") in _OWN_ACCORD:
        return _explained(directory, facts, engine)
    over = job is not None and job.state not in UNFINISHED
    if (directory / files.CANCELLED).exists() and (facts or over):
        return AttemptEnding(AttemptState.CANCELLED, Reason.USER, "", engine)
    if facts and facts.get("cause") == TIME_LIMIT:
        return _said(ENDS["TIMEOUT"], directory, engine)
    asked = facts is not None and facts.get("asked") is True
    if facts and (facts.get("cause") == REQUEUED or (asked and job and job.restarts)):
        return _said(REQUEUED_END, directory, engine)
    if job and job.state == "CANCELLED" and job.nodes:
        return _cancelled(directory, job, settled)
    if job and (said := end_of(job)):
        return _said(said, directory, engine)
    if facts and job and not over and (asked or facts.get("signal") == signal.SIGKILL):
        return None  # preempted, requeued, cancelled or out of memory: Slurm is about to say which
    if asked:
        return _said(ASKED, directory, engine)
    if facts:
        return _explained(directory, facts, engine)
    if job is None or not over or (job.ended and job.ended > settled):
        return None
    return _unsaid(directory, job, engine)


def exit_facts(directory: Path) -> dict[str, Any] | None:
    """What job.py wrote of the end, each fact of its own kind; None while it wrote nothing."""
    if (told := files.read_json(directory / files.EXIT)) is None:
        return None
    kinds = {"stage": str, "cause": str, "code": int, "signal": int, "asked": bool}
    return {name: told.get(name) if type(told.get(name)) is kind else None for name, kind in kinds.items()}


def _cancelled(directory: Path, job: SlurmJob, settled: datetime) -> AttemptEnding | None:
    """Of a job that had a node, and that nobody here cancelled: by somebody there, or by Slurm itself.

    A controller that was killed may start a job a second time, which its node refuses; then Slurm cancels it.
    """
    began = _began(directory)
    if began is None and job.ended and job.ended > settled:
        return None
    if began is None:
        return _said(NEVER_STARTED, directory, job.words)
    twice = job.starts is not None and job.starts - began > _APART
    return _said(STARTED_TWICE if twice else ENDS["CANCELLED"], directory, job.words)


def _began(directory: Path) -> datetime | None:
    """When what runs inside the job began, by its own clock; None where nothing did."""
    match files.read_json(directory / files.WRAPPER):
        case {"started_at": str(at)}:
            with suppress(ValueError):
                return datetime.fromisoformat(at)
    return None


def _unsaid(directory: Path, job: SlurmJob, engine: str) -> AttemptEnding:
    """Of a job that is over and wrote nothing."""
    started = (directory / files.WRAPPER).exists()
    if not started and (job.exit_code in _START_CODES or job.signal_number == _LAUNCH_SIGNAL or job.state == "FAILED"):
        return _said(LAUNCH_FAILED, directory, f"{engine}, exit code {job.exit_code}:{job.signal_number}")
    return _explained(directory, {"stage": WRAPPER_STAGE, "cause": outcome.KILLED}, engine)


def _said(said: EngineEnd, directory: Path, engine: str) -> AttemptEnding:
    """Slurm's word with its own, and the log's last lines where it did not end of itself."""
    words = f"{said.sentence} (Slurm: {engine})" if engine else said.sentence
    if said.state is AttemptState.FAILED and (tail := records.log_tail(directory / files.LOG)):
        words = f"{words}\nLast lines of its log:\n{tail}"
    return AttemptEnding(said.state, said.reason, words[: outcome.MAX_DETAIL], engine)


def _explained(directory: Path, facts: dict[str, Any], engine: str) -> AttemptEnding:
    """As every trainer of ours is explained."""
    told = files.read_json(files.records_of(directory) / files.EXIT_REASON) or {}
    said = outcome.explain(
        outcome.ProcessExit(
            stage=facts.get("stage") or WRAPPER_STAGE,
            code=facts.get("code"),
            signal_number=facts.get("signal"),
            asked=False,
            cause=facts.get("cause") or "",
            cancelled=False,
            host_stopped=False,
            message=values.plain(str(told.get("message", ""))[: outcome.MAX_DETAIL]),
            log_tail=records.log_tail(directory / files.LOG),
            inactivity_timeout_seconds=_inactivity_timeout(directory),
        )
    )
    return AttemptEnding(said.state, said.reason, said.detail, engine)


def _inactivity_timeout(directory: Path) -> int:
    """In seconds; the trainer's own default where what was submitted cannot be read."""
    match files.read_json(directory / files.SUBMISSION):
        case {"spec": {"inactivity_timeout_seconds": int(seconds)}}:
            return seconds
    return _TRAINERS_TIMEOUT


def _record(job: SlurmJob | None) -> dict[str, Any]:
    """What the engine counted, for who asks later."""
    if job is None:
        return {}
    told = {"job": job.job_id, "nodes": job.nodes, "gpus": job.gpu_words}
    return told | {"gpu_seconds": job.gpu_seconds(datetime.now(UTC))}


def used_by(directory: Path) -> dict[str, Any]:
    """What the engine gave an attempt that is over, and counted of it, named as in an observation."""
    told = files.read_json(directory / ENDING) or {}
    nodes, gpus, seconds = (told.get(name) for name in ("nodes", "gpus", "gpu_seconds"))
    return {
        "nodes": values.plain(nodes)[:LONGEST] if isinstance(nodes, str) else "",
        "gpus": values.plain(gpus)[:LONGEST] if isinstance(gpus, str) else "",
        "gpu_seconds": seconds if type(seconds) is int and 0 <= seconds < MOST_SECONDS else None,
    }
