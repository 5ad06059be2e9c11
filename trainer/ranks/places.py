"""Which of a trainer's processes this one is. Pure but for the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from trainer.errors import ConfigError

RANK_VARIABLE = "SLIPWAY_TRAINER_RANK"
NODE_VARIABLE = "SLURM_NODEID"


@dataclass(frozen=True)
class RankPlace:
    """The number of a process among all of its trainer, and how many each node has of these."""

    rank: int
    nodes: int
    processes: int

    @property
    def size(self) -> int:
        """Of all ranks."""
        return self.nodes * self.processes

    @property
    def on_node(self) -> int:
        """Its number among those of its node, which is also that of its GPU."""
        return self.rank % self.processes

    @property
    def begins_node(self) -> bool:
        """Whether it is what was started on its node, and starts the others there."""
        return self.on_node == 0

    @property
    def others_of_node(self) -> range:
        """The ranks that it starts, where it begins its node."""
        return range(self.rank + 1, self.rank + self.processes)


def find_place(nodes: int, processes: int, environment: Mapping[str, str] = os.environ) -> RankPlace:
    """By what a process of the trainer was told, else by the number of its node. Raises ConfigError."""
    told = environment.get(RANK_VARIABLE)
    node = environment.get(NODE_VARIABLE, "0") if nodes > 1 else "0"
    rank = int(told) if told is not None else int(node) * processes
    if rank >= nodes * processes:
        raise ConfigError(f"The trainer has {nodes} nodes and is started on one of number {node} ({NODE_VARIABLE}).")
    return RankPlace(rank, nodes, processes)
