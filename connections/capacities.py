"""What a connection has free, stored and in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from connections.providers.capacity import Capacity, GpuPool, MachineKind
from wire.counts import quantity


def stored_capacity(capacity: Capacity) -> dict[str, Any]:
    """As a row keeps it."""
    return asdict(capacity)


def read_capacity(stored: dict[str, Any] | None) -> Capacity | None:
    """What a row keeps; None where nothing was answered yet."""
    if stored is None:
        return None
    pools = tuple(GpuPool(**pool) for pool in stored["gpus"])
    machines = tuple(MachineKind(**machine) for machine in stored.get("machines", ()))
    return Capacity(**stored | {"gpus": pools, "machines": machines, "out": tuple(stored.get("out", ()))})


def free_words(capacity: Capacity | None) -> str:
    """What is free there, in a few words; "" where it does not say."""
    if capacity is None:
        return ""
    told = [_pool(pool) for pool in capacity.gpus]
    if capacity.slots is not None and capacity.running is not None:
        told.append(f"{max(0, capacity.slots - capacity.running)} of {capacity.slots} slots free")
    if capacity.queue_length:
        told.append(f"{capacity.queue_length:,} waiting")
    return ", ".join(told)


def would_wait(capacity: Capacity | None, *, accelerator_type: str, gpus: int) -> str:
    """Why so many GPUs of the type would wait as things stand; "" where they would not, or nobody knows."""
    if capacity is None:
        return ""
    for pool in capacity.gpus:
        if gpus and pool.accelerator_type == accelerator_type and pool.free is not None and pool.free < gpus:
            return f"It needs {quantity(gpus, 'GPU')}; free of that type: {pool.free:,}."
    if capacity.slots is not None and capacity.running is not None and capacity.running >= capacity.slots:
        return f"{quantity(capacity.slots, 'trainer')} run there at a time, and as many do."
    return ""


def too_many_gpus(capacity: Capacity | None, wanted: Mapping[str, int]) -> list[str]:
    """Of GPUs that have to be there at once, by type, what is more than there are in all, as far as that is known."""
    totals = {pool.accelerator_type: pool.total for pool in capacity.gpus} if capacity else {}
    found = []
    for accelerator_type, gpus in wanted.items():
        total = totals.get(accelerator_type)
        if total is not None and gpus > total:
            found.append(f"Together they need {quantity(gpus, 'GPU')} of type {accelerator_type}; it has {total:,}.")
    return found


def _pool(pool: GpuPool) -> str:
    kind = pool.accelerator_type.removeprefix("NVIDIA_").removeprefix("AMD_").replace("_", " ") or "GPUs"
    if pool.free is None:
        return f"{kind}: {pool.total:,} in all" if pool.total is not None else kind
    of_all = f" of {pool.total:,}" if pool.total is not None else ""
    drained = f", {pool.drained:,} out of service" if pool.drained else ""
    return f"{pool.free:,}{of_all} {kind} free{drained}"
