"""What the machines of the partition cannot hold, from what Slurm last said of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from connections.providers.capacity import Capacity, MachineKind
from connections.providers.slurm.answers import SlurmNode, SlurmPartition
from connections.providers.slurm.config import SlurmConfig
from connections.providers.slurm.script import type_for
from connections.providers.spec import TrainerSpec
from wire.counts import quantity

_MB = 1024


def too_large(spec: TrainerSpec, config: SlurmConfig, capacity: Capacity) -> Iterator[str]:
    """Why no job of the spec can ever start there, one sentence a reason; drained machines count, they come back.

    Limits of the partition count where no QOS is asked for, which may lift them.
    """
    there = f"partition {config.partition}" if config.partition else "the default partition"
    minutes, nodes = (None, None) if config.qos else (capacity.most_minutes, capacity.most_nodes)
    if minutes is not None and config.time_limit > minutes:
        yield (
            f"The connection asks for {config.time_limit:,} minutes a job, and {there} gives {minutes:,} at most: "
            "a superuser lowers its time limit, or chooses another partition."
        )
    if nodes is not None and spec.trainer_nodes > nodes:
        yield f"{_needs(spec)}, and a job of {there} gets {nodes:,} at most (MaxNodes). {_fewer(spec)}"
    if capacity.machines:
        yield from _against_machines(spec, config, capacity.machines, there)


def _against_machines(
    spec: TrainerSpec, config: SlurmConfig, machines: Sequence[MachineKind], there: str
) -> Iterator[str]:
    kind, gpus = type_for(spec, config), spec.accelerator_count
    most = max((machine.gpus.get(kind, 0) for machine in machines), default=0)
    if gpus > most:
        yield (
            f"No node of {there} has {gpus:,} {kind}: the largest has {most:,}. Choose a shape of at most as many "
            "GPUs a node, or a connection to a partition that has them."
        )
        return
    able = [machine for machine in machines if machine.gpus.get(kind, 0) >= gpus]
    share = max(1, gpus)
    cpus, memory = config.cpus_per_gpu * share, config.memory_per_gpu * share
    roomy = [machine for machine in able if _holds(machine.cpus, cpus) and _holds(machine.memory_mb, memory * _MB)]
    if not roomy:
        yield (
            f"On each node it gets {quantity(cpus, 'CPU')} and {memory:,} GB, and no node of {there} that has its "
            f"GPUs has both: at most {max(each.cpus for each in able):,} and "
            f"{max(each.memory_mb for each in able) // _MB:,}. A superuser lowers CPUs or memory per GPU."
        )
    elif (count := sum(machine.count for machine in roomy)) < spec.trainer_nodes:
        yield f"{_needs(spec)}, and {there} has {count:,} that can hold its share. {_fewer(spec)}"


def _needs(spec: TrainerSpec) -> str:
    """How many nodes, and why so many."""
    if spec.trainer_replica_count == 1:
        return f"The shape needs {quantity(spec.node_count, 'node')}"
    each = f"{quantity(spec.trainer_replica_count, 'replica')} of the shape"
    return f"{each} need {spec.trainer_nodes:,} nodes, {spec.node_count:,} each"


def _fewer(spec: TrainerSpec) -> str:
    return "Choose a shape of fewer nodes." if spec.trainer_replica_count == 1 else "Ask for fewer trainer replicas."


def _holds(has: int, needs: int) -> bool:
    """Where it does not say what it has, it may."""
    return not has or has >= needs


def machines_of(nodes: Sequence[SlurmNode], config: SlurmConfig) -> tuple[MachineKind, ...]:
    """Nodes that are alike, counted; drained ones too."""
    counted: dict[tuple[tuple[tuple[str, int], ...], int, int], int] = {}
    for node in nodes:
        gpus = {kind: node.gpus_of(gres) for kind, gres in config.gres_by_type.items() if node.gpus_of(gres)}
        key = (tuple(sorted(gpus.items())), node.cpus, node.memory_mb)
        counted[key] = counted.get(key, 0) + 1
    return tuple(MachineKind(count, dict(gpus), cpus, memory) for (gpus, cpus, memory), count in counted.items())


def partition_of(partitions: Sequence[SlurmPartition], config: SlurmConfig) -> SlurmPartition | None:
    """The one that jobs go to; None where Slurm tells of none such."""
    wanted = [each for each in partitions if (each.name == config.partition if config.partition else each.is_default)]
    return wanted[0] if wanted else None
