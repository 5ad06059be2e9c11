"""What Slurm's programs answer in JSON, read: its shape differs between releases. Pure.

22.05 writes a state as a word and a number as a number; since 23.02 a state is a list of words and a number may be
{"set", "infinite", "number"}. Since 23.11 `sinfo` answers rows under "sinfo" instead of nodes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connections.providers.errors import Unreachable

_GRES = re.compile(r"(gpu(?::[\w.-]+)?):(\d+)(?![\w.])")
_TRES = re.compile(r"gres/(gpu(?::[\w.-]+)?)=(\d+)(?![\w.])")
_MOST_DIGITS = 12
ACCOUNTED = ("JobIDRaw", "JobName", "State", "Reason", "Start", "End", "ExitCode", "NodeList", "AllocTRES")
"""The columns of sacct that are read."""
_GOVERNING = ("COMPLETING", "CONFIGURING")
"""Beside a base state these say more: that processes are still there, or not yet. Earlier releases said them alone."""
_NO_NODES = {"none assigned", "none", "unknown", "(null)"}
"""How sacct lists the nodes of a job that had none."""
_LAST_SECOND = 253_402_214_400
"""Of the year 9999, roughly: later times are none."""


@dataclass(frozen=True)
class SlurmJob:
    """A job as the controller lists it; times are None where it has none yet. `exit_code` is the script's.

    `gpus` are those that it has, by gres. `said` is the state as Slurm writes it, where that is more than one word.
    """

    job_id: str
    name: str
    state: str
    reason: str
    partition: str
    priority: int = 0
    submitted: datetime | None = None
    starts: datetime | None = None
    ended: datetime | None = None
    node: str = ""
    nodes: str = ""
    restarts: int = 0
    exit_code: int = 0
    signal_number: int = 0
    gpus: Mapping[str, int] | None = None
    said: str = ""

    @property
    def gpu_words(self) -> str:
        """How many GPUs of which gres it has, "" for none."""
        return ", ".join(f"{count} x {gres}" for gres, count in (self.gpus or {}).items())

    def gpu_seconds(self, now: datetime) -> int | None:
        """How long it has had them, all together, until its end where it ended; None while it has none (any more)."""
        if not self.gpus:
            return None
        until = self.ended if self.ended and self.ended < now else now
        return max(0, int((until - self.starts).total_seconds())) * sum(self.gpus.values()) if self.starts else 0

    @property
    def words(self) -> str:
        """State and reason as Slurm writes them."""
        said = self.said or self.state
        return f"{said} ({self.reason})" if self.reason not in ("", "None") else said


@dataclass(frozen=True)
class SlurmNode:
    """A node with its GPUs by gres; `is_out` says that it starts nothing, `reason` why."""

    name: str
    partitions: frozenset[str]
    gpus: Mapping[str, int]
    used: Mapping[str, int]
    is_out: bool
    reason: str = ""
    cpus: int = 0
    memory_mb: int = 0

    def gpus_of(self, gres: str, *, used: bool = False) -> int:
        """How many it has, or are in use; of a gres without a type all count."""
        counted = (self.used if used else self.gpus).items()
        return sum(number for name, number in counted if name == gres or name.startswith(f"{gres}:"))


@dataclass(frozen=True)
class SlurmPartition:
    """A partition's limits of one job; None where it has none."""

    name: str
    is_default: bool
    most_nodes: int | None
    most_minutes: int | None


def read_jobs(text: str) -> Sequence[SlurmJob]:
    """Of `squeue --json`. Errors: `Unreachable` where it is none."""
    return [_job(row) for row in _rows(text, "jobs")]


def read_nodes(text: str) -> Sequence[SlurmNode]:
    """Of `sinfo --json`. Errors: `Unreachable` where it is none."""
    nodes = {node.name: node for row in _rows(text, "nodes", "sinfo") for node in _nodes(row)}
    return list(nodes.values())


def read_accounting(text: str) -> Sequence[SlurmJob]:
    """Of `sacct` with the columns `ACCOUNTED`, a job a line; a line that is none is passed over."""
    rows = (line.split("|") for line in text.splitlines())
    return [_accounted(*row) for row in rows if len(row) == len(ACCOUNTED)]


def _accounted(
    job_id: str, name: str, state: str, reason: str, starts: str, ended: str, exit_code: str, nodes: str, tres: str
) -> SlurmJob:
    code, _, signal_number = exit_code.partition(":")
    return SlurmJob(
        job_id=job_id,
        name=name,
        state=(state.split() or [""])[0].upper(),  # CANCELLED by 1000
        reason=reason,
        partition="",
        starts=_time(_digits(starts)),
        ended=_time(_digits(ended)),
        nodes="" if nodes.lower() in _NO_NODES else nodes,
        exit_code=_digits(code),
        signal_number=_digits(signal_number),
        gpus=_gpus_of_tres(tres),
    )


def _digits(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < _MOST_DIGITS else 0


def _gpus_of_tres(text: str) -> Mapping[str, int]:
    """Sites may count GPUs as such, by type, or as both."""
    counted = {gres: int(count) for gres, count in _TRES.findall(text)}
    typed = {gres: count for gres, count in counted.items() if gres != "gpu"}
    return typed or counted


def read_partitions(text: str) -> Sequence[SlurmPartition]:
    """Of `scontrol show partition --oneliner`; lines that say no partition are none."""
    lines = (dict(re.findall(r"(\w+)=(\S*)", line)) for line in text.splitlines())
    return [
        SlurmPartition(
            line["PartitionName"],
            line.get("Default") == "YES",
            _digits(line.get("MaxNodes", "")) or None,
            read_minutes(line.get("MaxTime", "")),
        )
        for line in lines
        if "PartitionName" in line
    ]


def read_minutes(written: str) -> int | None:
    """Of Slurm's [DAYS-]HOURS:MINUTES:SECONDS, MINUTES:SECONDS or MINUTES, whole ones; None where it is no time."""
    found = re.fullmatch(r"(?:(\d{1,9})-)?(\d{1,9})(?::(\d{1,9}))?(?::(\d{1,9}))?", written)
    if not found:
        return None
    days, first, second, _ = (int(part) if part else 0 for part in found.groups())
    hours_first = found[1] or found[4]
    return days * 24 * 60 + (first * 60 + second if hours_first else first)


def _rows(text: str, *names: str) -> list[Mapping[str, Any]]:
    """An answer that breaks off or says that something went wrong is none: it would look as if nothing were there."""
    try:
        answer = json.loads(text)
        if answer.get("errors"):
            raise Unreachable(f"Slurm answered with an error: {str(answer['errors'])[:200]}")
        return [row for name in names for row in answer.get(name, ()) if isinstance(row, Mapping)]
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise Unreachable("Slurm's answer is no JSON that can be read.") from None


def _job(row: Mapping[str, Any]) -> SlurmJob:
    exit_code, signal_number = _exit(row.get("exit_code"))
    states = _words(row.get("job_state"))
    return SlurmJob(
        job_id=str(row.get("job_id", "")),
        name=str(row.get("name", "")),
        state=next((state for state in _GOVERNING if state in states), states[0]),
        reason=_reason(row),
        partition=str(row.get("partition", "")),
        priority=_number(row.get("priority")),
        submitted=_time(row.get("submit_time")),
        starts=_time(row.get("start_time")),
        ended=_time(row.get("end_time")),
        node=str(row.get("batch_host", "")),
        nodes=str(row.get("nodes", "")),
        restarts=_number(row.get("restart_cnt")),
        exit_code=exit_code,
        signal_number=signal_number,
        gpus=_given(row),
        said="+".join(states) if len(states) > 1 else "",
    )


def _reason(row: Mapping[str, Any]) -> str:
    """Why it is as it is. Of what waits the description, where there is one, says more: that nodes are out."""
    described = str(row.get("state_description") or "") if "PENDING" in _words(row.get("job_state")) else ""
    return described.replace("_", " ") or str(row.get("state_reason", ""))


def _nodes(row: Mapping[str, Any]) -> Iterator[SlurmNode]:
    if "name" in row:
        states = {*_words(row.get("state")), *_words(row.get("state_flags"))}
        names = [str(row["name"])]
        gres, used = row.get("gres"), row.get("gres_used")
        partitions, reason = row.get("partitions"), row.get("reason")
        cpus, memory = row.get("cpus"), row.get("real_memory")
    else:
        node, many, gpus = (_mapping(row.get(name)) for name in ("node", "nodes", "gres"))
        states, names = set(_words(node.get("state"))), [str(name) for name in _list(many.get("nodes"))]
        gres, used = gpus.get("total"), gpus.get("used")
        partitions = [_mapping(row.get("partition")).get("name", "")]
        reason = _mapping(row.get("reason")).get("description", row.get("reason"))
        cpus, memory = (_mapping(row.get(name)).get("minimum") for name in ("cpus", "memory"))
    is_out = not states.isdisjoint({"DOWN", "DRAIN", "DRAINED", "DRAINING", "FAIL", "ERROR", "MAINT", "UNKNOWN"})
    for name in names:
        yield SlurmNode(
            name,
            frozenset(map(str, _list(partitions))),
            _gpus(str(gres or "")),
            _gpus(str(used or "")),
            is_out or "NOT_RESPONDING" in states,
            str(reason or "") if isinstance(reason, str) else "",
            _number(cpus),
            _number(memory),
        )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _words(value: Any) -> list[str]:
    """States in capitals; the base state stands first."""
    listed = value if isinstance(value, list) else [value]
    return [str(word).upper() for word in listed if word] or [""]


def _number(value: Any) -> int:
    """0 where there is none."""
    if isinstance(value, Mapping):
        value = value.get("number") if value.get("set", True) and not value.get("infinite") else 0
    return value if type(value) is int else 0


def _time(value: Any) -> datetime | None:
    seconds = _number(value)
    return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < _LAST_SECOND else None


def _exit(value: Any) -> tuple[int, int]:
    """Exit code and signal: of a wait status, or of what later releases make of it."""
    if isinstance(value, Mapping):
        signal_number = _mapping(value.get("signal"))
        return _number(value.get("return_code")), _number(signal_number.get("id", signal_number.get("signal_id")))
    status = _number(value)
    return status >> 8 & 0xFF, status & 0x7F


def _given(row: Mapping[str, Any]) -> Mapping[str, int]:
    """What the job holds. Of one that is over, which holds nothing any more: what each of its nodes had given."""
    if held := _gpus(str(row.get("gres_detail", ""))):
        return held
    nodes = _number(row.get("node_count")) if row.get("nodes") else 0
    each = _gpus(str(row.get("tres_per_node", ""))) if nodes else {}
    return {gres: count * nodes for gres, count in each.items()}


def _gpus(text: str) -> Mapping[str, int]:
    """By gres, such as gpu:h100, how many."""
    found: dict[str, int] = {}
    for gres, count in _GRES.findall(text):
        found[gres] = found.get(gres, 0) + int(count)
    return found
