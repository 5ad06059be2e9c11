"""What a connection has: GPUs, machines, slots, and what waits for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class GpuPool:
    """GPUs of one type (the wire's name, "" where unknown): how many there are, are free, and are out of service."""

    accelerator_type: str
    total: int | None
    free: int | None
    drained: int = 0


@dataclass(frozen=True)
class MachineKind:
    """Machines that are alike: how many there are, and what each has, GPUs by type. 0: it does not say."""

    count: int
    gpus: Mapping[str, int]
    cpus: int = 0
    memory_mb: int = 0


@dataclass(frozen=True)
class Capacity:
    """What a connection has; `queue_length` counts what waits there, whoever submitted it. None: it does not say.

    `machines` are those that a job could get, also where they are out of service; `most_nodes` and `most_minutes` are
    the limits of one job. `out` says of each machine that is out of service which it is and why.
    """

    gpus: tuple[GpuPool, ...] = ()
    queue_length: int | None = None
    running: int | None = None
    slots: int | None = None
    machines: tuple[MachineKind, ...] = ()
    most_nodes: int | None = None
    most_minutes: int | None = None
    out: tuple[str, ...] = ()
