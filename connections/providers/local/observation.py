"""What is said of an attempt, from its files: while it waits, while it lives, when it is over."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connections.providers.attempts import Observation
from connections.providers.states import AttemptState
from connections.providers.trainer_files import files, liveness, outcome, records, values
from connections.providers.trainer_files.config import resumed_from
from connections.providers.trainer_files.outcome import Exceeded
from wire.counts import quantity


def waiting(directory: Path, ahead: int, slots: int, held_up: str) -> Observation:
    """Of an attempt with `ahead` others before it in the queue; `held_up` says why nobody is started, or is ""."""
    line = f"{ahead} ahead" if ahead else "next in line"
    runs = quantity(slots, "trainer runs", "trainers run")
    spec = (files.read_json(directory / files.SUBMISSION) or {}).get("spec") or {}
    what = "a free slot and free GPUs" if spec.get("accelerator_count") else "a free slot"
    return Observation(
        AttemptState.PENDING,
        held_up or f"Waiting for {what}: {line} ({runs} here at a time).",
        queue_position=ahead + 1,
        resumed_from=resumed_from(directory),
        since=_since(directory),
    )


def live(directory: Path, host: str) -> Observation:
    """Of an attempt whose wrapper is alive; `host` is where we, and others, reach its trainer."""
    progress, limits = records.read_progress(directory / files.PROGRESS)
    port = liveness.port_of(directory)
    ready, token = False, ""
    if (directory / files.CANCELLED).exists():
        state, detail = AttemptState.CANCELLING, "Asked to end."
    elif not (directory / files.TRAINER).exists():
        state, detail = AttemptState.CREATING, progress[-1].message if progress else "Starting"
    else:
        token = liveness.token_of(directory) if port else ""
        ready = port is not None and liveness.answers(host, port, token)
        state, detail = AttemptState.RUNNING, "" if ready else "The trainer loads the model."
    return Observation(
        state,
        detail,
        ready=ready,
        endpoint=f"http://{liveness.in_url(host)}:{port}" if port else "",
        resumed_from=resumed_from(directory),
        session_opened=files.read_json(files.records_of(directory) / files.SESSION) is not None,
        progress=progress,
        limits=limits,
        since=_since(directory),
        token=token,
    )


def ended(directory: Path, exit_facts: dict[str, Any]) -> Observation:
    """Of an attempt that is over; `exit_facts` is what exit.json holds, nothing where that cannot be read."""
    told = files.read_json(files.records_of(directory) / files.EXIT_REASON) or {}
    stage, code, number = (exit_facts.get(name) for name in ("stage", "code", "signal"))
    ending = outcome.ProcessExit(
        stage=stage if isinstance(stage, str) else outcome.WRAPPER_STAGE,
        code=code if isinstance(code, int) else None,
        signal_number=number if isinstance(number, int) else None,
        asked=exit_facts.get("asked") is True,
        cause=str(exit_facts.get("cause", "")),
        cancelled=(directory / files.CANCELLED).exists(),
        host_stopped=(directory / files.HOST_STOPPED).exists(),
        drained=_was_drained(directory),
        message=values.plain(str(told.get("message", ""))[: outcome.MAX_DETAIL]),
        log_tail=records.log_tail(directory / files.LOG),
        exceeded=_exceeded(exit_facts.get("exceeded")),
        inactivity_timeout_seconds=_inactivity_timeout(files.read_json(directory / files.SUBMISSION)),
    )
    said = outcome.explain(ending)
    progress, limits = records.read_progress(directory / files.PROGRESS)
    return Observation(
        said.state,
        said.detail,
        said.reason,
        resumed_from=resumed_from(directory),
        progress=progress,
        limits=limits,
    )


def _was_drained(directory: Path) -> bool:
    with suppress(OSError):
        return files.read_word(directory / files.HOST_STOPPED) == files.DRAINED
    return False


def _inactivity_timeout(submission: Any) -> int:
    """In seconds; 0 where the file tells none, as one that another release wrote may not."""
    match submission:
        case {"spec": {"inactivity_timeout_seconds": int(seconds)}}:
            return seconds
    return 0


def _exceeded(facts: Any) -> Exceeded | None:
    match facts:
        case {"what": str(what), "used": int(used), "allowed": int(allowed)}:
            return Exceeded(what, used, allowed)
    return None


def _since(directory: Path) -> datetime | None:
    for name in (files.WRAPPER, files.SUBMISSION):
        with suppress(OSError):
            return datetime.fromtimestamp((directory / name).stat().st_mtime, UTC)
    return None
