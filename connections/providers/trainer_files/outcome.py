"""What the ending of an attempt means: state, reason, and words for a person. Pure."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from connections.providers.states import AttemptState, Reason
from wire.counts import quantity

INACTIVE_CODE = 20
KILLED_CODE = 128 + signal.SIGKILL
MAX_DETAIL = 2000

# Endings that the wrapper could not write itself; queue.py writes them.
WRAPPER_STAGE, DOWNLOAD_STAGE = "wrapper", "download"
RESTARTED, CONTAINER_RESTARTED, KILLED, UNSTARTED = "restarted", "container-restarted", "killed", "unstarted"


@dataclass(frozen=True)
class Exceeded:
    """Of which limit a trainer used more: memory, disk or files; bytes, or a number of files."""

    what: str
    used: int
    allowed: int


@dataclass(frozen=True)
class ProcessExit:
    """The facts. `code` or `signal_number` is the process's; `asked` says that the wrapper got SIGTERM.

    `stage` is environment, download, trainer, queue (never started) or wrapper (`cause` says what became of it).
    `message` is the trainer's own word, `log_tail` the last lines of its log. `exceeded` says for which limit the
    wrapper ended it, `drained` why the host stopped it.
    """

    stage: str
    code: int | None
    signal_number: int | None
    asked: bool
    cause: str
    cancelled: bool
    host_stopped: bool
    message: str
    log_tail: str
    inactivity_timeout_seconds: int
    exceeded: Exceeded | None = None
    drained: bool = False


@dataclass(frozen=True)
class FinalState:
    """A final state with its reason and detail."""

    state: AttemptState
    reason: Reason
    detail: str


def explain(ending: ProcessExit) -> FinalState:
    """What to say of the ending. An end of the trainer's own accord counts before a request that crossed it."""
    failed, stopped = AttemptState.FAILED, Reason.HOST_STOPPED
    if ending.stage == "trainer" and ending.code == 0:
        return FinalState(AttemptState.COMPLETED, Reason.DONE, ending.message)
    if ending.stage == "trainer" and ending.code == INACTIVE_CODE:
        timeout = duration(ending.inactivity_timeout_seconds)
        return FinalState(AttemptState.CANCELLED, Reason.INACTIVE, f"No call for {timeout}, its inactivity timeout.")
    if ending.cancelled:
        return FinalState(AttemptState.CANCELLED, Reason.USER, "")
    if ending.host_stopped and ending.drained:
        words = "This machine was drained, and it was ended for that. Resume to go on once launches start here again."
        return FinalState(failed, stopped, words)
    if ending.host_stopped:
        return FinalState(failed, stopped, "Slipway was stopped on this machine. Resume to go on.")
    if ending.cause == RESTARTED:
        return FinalState(failed, stopped, "This machine restarted while the trainer ran. Resume to go on.")
    if ending.cause == CONTAINER_RESTARTED:
        words = "The container of trainer-host, in which the trainer ran, was started anew. Resume to go on."
        return FinalState(failed, stopped, words)
    if ending.exceeded:
        return FinalState(failed, Reason.LIMIT, _over(ending.exceeded))
    if ending.asked:
        return FinalState(failed, stopped, "Somebody on this machine ended it with SIGTERM. Resume to go on.")
    if ending.stage == "environment":
        words = "The trainer's environment could not be prepared"
        return FinalState(failed, Reason.ENVIRONMENT, _with_log(words, ending))
    if ending.stage == DOWNLOAD_STAGE:
        words = "The base model could not be downloaded"
        return FinalState(
            failed, Reason.ENVIRONMENT, f"{words}: {ending.message}" if ending.message else _with_log(words, ending)
        )
    return FinalState(failed, Reason.EXIT_CODE, _with_log(_how(ending), ending))


def _over(exceeded: Exceeded) -> str:
    """Of which limit it used more, and what to do."""
    used, allowed = f"{exceeded.used / 1e9:.1f} GB", f"{exceeded.allowed / 1e9:.1f} GB"
    match exceeded.what:
        case "memory":
            words = f"used {used} of memory, and a trainer here may use {allowed} (SLIPWAY_TRAINER_MEMORY_GB)"
            remedy = "with shorter sequences or smaller batches"
        case "disk":
            words = f"keeps {used} of files, and a job here may keep {allowed} (SLIPWAY_TRAINER_DISK_GB)"
            remedy = "with fewer checkpoints"
        case _:
            words = f"keeps more files than the {exceeded.allowed:,} that a job here may (SLIPWAY_TRAINER_FILES)"
            remedy = "with fewer of them"
    return f"It was ended because it {words}. What it had saved is kept: go on {remedy}, or ask for a higher limit."


def _how(ending: ProcessExit) -> str:
    if ending.stage == WRAPPER_STAGE:
        if ending.cause == UNSTARTED:
            return "The process that runs the trainer ended before it began"
        return "The process that watched the trainer was killed, and the trainer with it"
    if ending.signal_number == signal.SIGKILL or ending.code == KILLED_CODE:
        return "The trainer was killed (SIGKILL), perhaps because memory ran out"
    if ending.signal_number is not None:
        return f"The trainer was ended by {signal_name(ending.signal_number)}"
    return f"The trainer ended with exit code {ending.code}"


def _with_log(words: str, ending: ProcessExit) -> str:
    sentence = f"{words}: {ending.message}" if ending.message else f"{words}."
    tail = ending.log_tail[-max(0, MAX_DETAIL - len(sentence)) :]
    return f"{sentence}\nLast lines of its log:\n{tail}"[:MAX_DETAIL] if tail else sentence[:MAX_DETAIL]


def signal_name(number: int) -> str:
    """SIGSEGV for 11."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def duration(seconds: int) -> str:
    """60 minutes, 1 minute, 90 seconds."""
    number, unit = (seconds // 60, "minute") if seconds % 60 == 0 else (seconds, "second")
    return quantity(number, unit)
