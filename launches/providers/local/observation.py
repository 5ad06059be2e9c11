"""What is said of an attempt, from its files: while it waits, while it lives, when it is over."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launches.providers.base import Observation
from launches.providers.local import files, outcome, records
from launches.providers.local.limits import Exceeded
from launches.states import AttemptState

HEALTHZ = "/api/v1/healthz"
HEALTHZ_SECONDS = 1.0
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (what to call where one listens on all)


@dataclass(frozen=True)
class Endpoint:
    """Where a trainer listens, in its own words."""

    host: str
    port: int


def waiting(directory: Path, ahead: int, slots: int) -> Observation:
    """Of an attempt with `ahead` others before it in the queue."""
    line = f"{ahead} ahead" if ahead else "next in line"
    runs = "1 trainer runs" if slots == 1 else f"{slots} trainers run"
    return Observation(
        AttemptState.PENDING,
        f"Waiting for a free slot: {line} ({runs} here at a time).",
        queue_position=ahead + 1,
        resumed_from=_resumed_from(directory),
    )


def live(directory: Path, host: str) -> Observation:
    """Of an attempt whose wrapper is alive; `host` is where others reach its trainer."""
    progress = records.read_progress(directory / files.PROGRESS)
    endpoint = _endpoint(directory)
    ready = False
    if (directory / files.CANCELLED).exists():
        state, detail = AttemptState.CANCELLING, "Asked to end."
    elif not (directory / files.TRAINER).exists():
        state, detail = AttemptState.CREATING, progress[-1].message if progress else "Starting"
    else:
        ready = endpoint is not None and _answers(endpoint, (directory / files.TOKEN).read_text())
        state, detail = AttemptState.RUNNING, "" if ready else "The trainer loads the model."
    return Observation(
        state,
        detail,
        ready=ready,
        endpoint=f"http://{_in_url(host)}:{endpoint.port}" if endpoint else "",
        resumed_from=_resumed_from(directory),
        session_opened=files.read_json(files.records_of(directory) / files.SESSION) is not None,
        progress=progress,
    )


def ended(directory: Path, exit_facts: dict[str, Any]) -> Observation:
    """Of an attempt that is over; `exit_facts` is what exit.json holds."""
    submission = files.read_json(directory / files.SUBMISSION) or {}
    told = files.read_json(files.records_of(directory) / files.EXIT_REASON) or {}
    ending = outcome.Ending(
        stage=exit_facts["stage"],
        code=exit_facts["code"],
        signal_number=exit_facts["signal"],
        asked=exit_facts["asked"],
        cause=exit_facts.get("cause", ""),
        cancelled=(directory / files.CANCELLED).exists(),
        host_stopped=(directory / files.HOST_STOPPED).exists(),
        message=records.printable(str(told.get("message", ""))),
        log_tail=records.log_tail(directory / files.LOG),
        exceeded=Exceeded(**exceeded) if (exceeded := exit_facts.get("exceeded")) else None,
        inactivity_timeout_seconds=submission["spec"]["inactivity_timeout_seconds"],
    )
    said = outcome.explain(ending)
    return Observation(
        said.state,
        said.detail,
        said.reason,
        resumed_from=_resumed_from(directory),
        progress=records.read_progress(directory / files.PROGRESS),
    )


def _endpoint(directory: Path) -> Endpoint | None:
    match files.read_json(files.records_of(directory) / files.ENDPOINT):
        case {"host": str(host), "port": int(port)} if 0 < port < 2**16:
            return Endpoint(host, port)
    return None


def _answers(endpoint: Endpoint, token: str) -> bool:
    """Whether the trainer's healthz answers 200."""
    address = _ANY_ADDRESS.get(endpoint.host, endpoint.host)
    connection = http.client.HTTPConnection(address, endpoint.port, timeout=HEALTHZ_SECONDS)
    try:
        connection.request("GET", HEALTHZ, headers={"X-Api-Key": token})
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _resumed_from(directory: Path) -> str:
    config = files.read_json(directory / files.CONFIG) or {}
    return config.get("resume_from") or ""
