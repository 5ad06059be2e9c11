"""What is said of an attempt, from its files: while it waits, while it lives, when it is over."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connections.providers.base import Observation
from connections.providers.local import files, outcome, reading, records
from connections.providers.local.limits import Exceeded
from connections.providers.states import AttemptState
from wire.counts import quantity
from wire.names import is_id

HEALTHZ = "/api/v1/healthz"
HEALTHZ_SECONDS = 1.0
LONGEST_TOKEN = 1024
_OK = b"HTTP/1.1 200"
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (what to call where one listens on all)


def waiting(directory: Path, ahead: int, slots: int, shortage: str) -> Observation:
    """Of an attempt with `ahead` others before it in the queue; `shortage` says why nobody is started, or is ""."""
    line = f"{ahead} ahead" if ahead else "next in line"
    runs = quantity(slots, "trainer runs", "trainers run")
    return Observation(
        AttemptState.PENDING,
        shortage or f"Waiting for a free slot: {line} ({runs} here at a time).",
        queue_position=ahead + 1,
        resumed_from=_resumed_from(directory),
        since=_since(directory),
    )


def live(directory: Path, host: str, bind: str) -> Observation:
    """Of an attempt whose wrapper is alive; its trainer listens on `bind`, and `host` is where others reach it."""
    progress, limits = records.read_progress(directory / files.PROGRESS)
    port = _port(directory)
    ready = False
    if (directory / files.CANCELLED).exists():
        state, detail = AttemptState.CANCELLING, "Asked to end."
    elif not (directory / files.TRAINER).exists():
        state, detail = AttemptState.CREATING, progress[-1].message if progress else "Starting"
    else:
        ready = port is not None and _answers(_ANY_ADDRESS.get(bind, bind), port, _token(directory))
        state, detail = AttemptState.RUNNING, "" if ready else "The trainer loads the model."
    return Observation(
        state,
        detail,
        ready=ready,
        endpoint=f"http://{_in_url(host)}:{port}" if port else "",
        resumed_from=_resumed_from(directory),
        session_opened=files.read_json(files.records_of(directory) / files.SESSION) is not None,
        progress=progress,
        limits=limits,
        since=_since(directory),
    )


def ended(directory: Path, exit_facts: dict[str, Any]) -> Observation:
    """Of an attempt that is over; `exit_facts` is what exit.json holds, nothing where that cannot be read."""
    submission = files.read_json(directory / files.SUBMISSION) or {}
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
        message=records.plain(str(told.get("message", ""))[: outcome.MAX_DETAIL]),
        log_tail=records.log_tail(directory / files.LOG),
        exceeded=_exceeded(exit_facts.get("exceeded")),
        inactivity_timeout_seconds=submission["spec"]["inactivity_timeout_seconds"],
    )
    said = outcome.explain(ending)
    progress, limits = records.read_progress(directory / files.PROGRESS)
    return Observation(
        said.state,
        said.detail,
        said.reason,
        resumed_from=_resumed_from(directory),
        progress=progress,
        limits=limits,
    )


def _exceeded(facts: Any) -> Exceeded | None:
    match facts:
        case {"what": str(what), "used": int(used), "allowed": int(allowed)}:
            return Exceeded(what, used, allowed)
    return None


def _port(directory: Path) -> int | None:
    """Where the trainer says that it listens. Of its host nothing is believed: it was told which one to take."""
    match files.read_json(files.records_of(directory) / files.ENDPOINT):
        case {"host": str(), "port": int(port)} if 0 < port < 2**16:
            return port
    return None


def _token(directory: Path) -> str:
    with reading.open_regular(directory / files.TOKEN) as file:
        return file.read(LONGEST_TOKEN).decode("ascii", "replace")


def _answers(address: str, port: int, token: str) -> bool:
    """Whether the trainer's healthz answers 200 within a second, however slowly it sends."""
    deadline = time.monotonic() + HEALTHZ_SECONDS
    request = f"GET {HEALTHZ} HTTP/1.1\r\nHost: {_in_url(address)}\r\nX-Api-Key: {token}\r\nConnection: close\r\n\r\n"
    said = b""
    try:
        with socket.create_connection((address, port), timeout=HEALTHZ_SECONDS) as connection:
            connection.sendall(request.encode())
            while len(said) < len(_OK) and (left := deadline - time.monotonic()) > 0:
                connection.settimeout(left)
                if not (piece := connection.recv(len(_OK) - len(said))):
                    return False
                said += piece
    except OSError:
        return False
    return said in {_OK, _OK.replace(b"1.1", b"1.0")}


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _since(directory: Path) -> datetime | None:
    for name in (files.WRAPPER, files.SUBMISSION):
        with suppress(OSError):
            return datetime.fromtimestamp((directory / name).stat().st_mtime, UTC)
    return None


def _resumed_from(directory: Path) -> str:
    config = files.read_json(directory / files.CONFIG) or {}
    name = config.get("resume_from")
    return name if isinstance(name, str) and is_id(name) else ""
