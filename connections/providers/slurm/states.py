"""Slurm's states and reasons, in ours and in words. Pure.

Of those below, NODE_FAIL, PREEMPTED, TIMEOUT, CANCELLED, FAILED and COMPLETED were produced by a Slurm of virtual
nodes; OUT_OF_MEMORY, BOOT_FAIL, DEADLINE, REVOKED and the special exit state are from its documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from connections.providers.slurm.answers import SlurmJob
from connections.providers.states import AttemptState, Reason

WAITING = frozenset({"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT"})
BOOTING = frozenset({"CONFIGURING", "POWER_UP_NODE"})
RUNNING = frozenset({"RUNNING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"})
ENDING = frozenset({"COMPLETING"})
UNFINISHED = WAITING | BOOTING | RUNNING | ENDING
BELIEVABLE = timedelta(days=30)
"""Further ahead an estimate only says that a job in front has no time limit."""
_ESTIMATED = frozenset({"Resources", "Priority"})

PENDING_WORDS: Mapping[str, str] = {
    "None": "The scheduler has not looked at it yet.",
    "Resources": "It is next, and waits until enough nodes, GPUs, CPUs or memory are free.",
    "Priority": "Jobs with a higher priority are before it.",
    "Dependency": "It waits for another job.",
    "BeginTime": "It may not start before a time that is set for it.",
    "JobHeldUser": "It is held. Whoever submits for Slipway has to release it (scontrol release).",
    "JobHeldAdmin": "An administrator of the cluster holds it.",
    "PartitionDown": "Its partition is down.",
    "PartitionInactive": "Its partition is inactive.",
    "PartitionNodeLimit": "It asks for more nodes than its partition gives.",
    "PartitionTimeLimit": "Its time limit is longer than its partition's.",
    "Licenses": "It waits for a licence.",
    "Reservation": "It waits for a reservation.",
    "ReqNodeNotAvail": "Nodes that it needs are drained, down or reserved.",
    "Nodes required for job are DOWN": "Nodes that it needs are drained, down or reserved.",
    "NodeDown": "A node that it needs is down.",
    "BadConstraints": "No node can ever meet what it asks for.",
    "InvalidAccount": "The connection's Slurm account may not be used.",
    "InvalidQOS": "The connection's QOS may not be used.",
    "launch failed requeued held": "It could not be started, and is held.",
}
_LIMITS = (
    ("QOSMax", "The connection's QOS has as much running as one user or account may have."),
    ("QOSGrp", "The connection's QOS has as much running as it may have in all."),
    ("QOS", "The connection's QOS does not allow it now."),
    ("AssocMax", "The connection's Slurm account has as much running as one job or user may have."),
    ("AssocGrp", "The connection's Slurm account has as much running as it may have in all."),
    ("Assoc", "The connection's Slurm account does not allow it now."),
    ("ReqNodeNotAvail", PENDING_WORDS["ReqNodeNotAvail"]),
)


@dataclass(frozen=True)
class EngineEnd:
    """What Slurm's final word means, where our own outcome file does not say more."""

    state: AttemptState
    reason: Reason
    sentence: str


_FAILED = AttemptState.FAILED
ENDS: Mapping[str, EngineEnd] = {
    "NODE_FAIL": EngineEnd(_FAILED, Reason.NODE_FAIL, "The node that it ran on failed."),
    "PREEMPTED": EngineEnd(_FAILED, Reason.PREEMPTED, "The cluster took its place for a job of higher priority."),
    "TIMEOUT": EngineEnd(_FAILED, Reason.TIME_LIMIT, "It ran into the time limit that the connection gives its jobs."),
    "OUT_OF_MEMORY": EngineEnd(_FAILED, Reason.OUT_OF_MEMORY, "It needed more memory than the connection gives."),
    "BOOT_FAIL": EngineEnd(_FAILED, Reason.BOOT_FAIL, "A node for it did not boot."),
    "DEADLINE": EngineEnd(_FAILED, Reason.DEADLINE, "It could not end before the deadline that the cluster set."),
    "REVOKED": EngineEnd(_FAILED, Reason.LAUNCH_FAILED, "Another cluster of the federation took it."),
    "CANCELLED": EngineEnd(AttemptState.CANCELLED, Reason.USER, "It was cancelled on the cluster (scancel)."),
}
"""By what Slurm calls it; FAILED and COMPLETED are for the outcome file to say."""
REQUEUED = EngineEnd(
    _FAILED, Reason.PREEMPTED, "It was put back into the cluster's queue: Slipway opens attempts of its own."
)
NEVER_STARTED = EngineEnd(
    _FAILED, Reason.BOOT_FAIL, "It had a node, and Slurm cancelled it before anything of it had started there."
)
STARTED_TWICE = EngineEnd(
    _FAILED, Reason.PREEMPTED, "Slurm's controller lost what it knew, started it a second time and cancelled it."
)
ASKED = EngineEnd(_FAILED, Reason.HOST_STOPPED, "Somebody on the cluster ended it (SIGTERM).")
LAUNCH_FAILED = EngineEnd(_FAILED, Reason.LAUNCH_FAILED, "Slurm could not start it.")


def waiting_words(reason: str) -> str:
    """Why it waits, in words, with Slurm's own."""
    key = reason.partition(",")[0]
    found = PENDING_WORDS.get(key) or next((words for start, words in _LIMITS if key.startswith(start)), "")
    return f"{found or 'It waits in the queue of the cluster.'} (Slurm: {reason or 'no reason'})"


def ahead_of(job: SlurmJob, jobs: tuple[SlurmJob, ...]) -> int:
    """How many wait before it in its partition: by priority, then by number."""
    rivals = (rival for rival in jobs if rival.state == "PENDING" and rival.partition == job.partition)
    return sum(_rank(rival) < _rank(job) for rival in rivals)


def estimated_start(job: SlurmJob, now: datetime) -> datetime | None:
    """When Slurm expects to start it, where that is believable."""
    if job.reason not in _ESTIMATED or job.starts is None or not now < job.starts < now + BELIEVABLE:
        return None
    return job.starts


def end_of(job: SlurmJob) -> EngineEnd | None:
    """What its final word means; None where it is none, or the outcome file has to say more."""
    return ENDS.get(job.state)


def _rank(job: SlurmJob) -> tuple[int, int]:
    return -job.priority, int(job.job_id) if job.job_id.isdecimal() else 0
