"""What attempts take of this machine: slots, and of the GPUs that the connection says it has which ones."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from connections.providers.local.queue import Queue, was_started
from connections.providers.spec import TrainerSpec
from connections.providers.trainer_files import files
from wire.counts import quantity

EXAMPLE = "NVIDIA_H100_80GB = 8"
VISIBLE = "CUDA_VISIBLE_DEVICES"
HELD = "gpus"
"""In an attempt's plan: the numbers of those that it got."""
_LINE = re.compile(r"([A-Z0-9_]{1,63})\s*=\s*([1-9][0-9]?)")


def read_gpus(written: str) -> str:
    """TYPE = NUMBER as it is kept, or "". Errors: `ValueError`."""
    if not written.strip():
        return ""
    match = _LINE.fullmatch(written.strip())
    if match is None:
        raise ValueError(f"use a GPU type as shapes name it and how many there are, at most 99, such as {EXAMPLE}")
    return f"{match[1]} = {match[2]}"


def spec_of(directory: Path) -> TrainerSpec:
    """What the attempt was asked to be. Errors: `OSError`, `ValueError`, `KeyError`, `TypeError`."""
    return TrainerSpec.from_json(json.loads((directory / files.SUBMISSION).read_bytes())["spec"])


def slots_taken(directory: Path) -> int:
    """By the attempt: one for each node of each replica, all of which are this machine here. Errors: as `spec_of`."""
    return spec_of(directory).trainer_nodes


def gpus_needed(directory: Path) -> int:
    """By the attempt, in all. Errors: as `spec_of`."""
    return spec_of(directory).trainer_gpus


@dataclass(frozen=True)
class Gpus:
    """So many of one type, numbered as the driver does; none where the connection says nothing."""

    kind: str = ""
    count: int = 0

    @classmethod
    def of(cls, kept: str) -> Gpus:
        """Of what `read_gpus` answered."""
        kind, _, count = kept.partition(" = ")
        return cls(kind, int(count or 0))

    def free(self, queue: Queue) -> list[int]:
        """The numbers of those that no attempt has that was started and is not over."""
        started = [each for each in map(queue.directory, queue.references()) if was_started(each)]
        held = {gpu for directory in started for gpu in (files.read_json(directory / files.PLAN) or {}).get(HELD, ())}
        return [gpu for gpu in range(self.count) if gpu not in held]

    @property
    def hidden(self) -> str:
        """Why not all of them can be given, of the process that gives them; "" where they can."""
        shown = _shown()
        if shown is None or len(shown) >= self.count:
            return ""
        return (
            f"Waiting: the connection of this machine says {self.count} {self.kind}, and trainer-host is shown "
            f"{len(shown)} ({VISIBLE}={','.join(shown)}): start it with all of them, or set the connection's GPUs to "
            f"{len(shown) or 'none'}."
        )

    def reasons_against(self, spec: TrainerSpec) -> Iterator[str]:
        """Why the spec never gets its GPUs here; nothing of one that needs none."""
        if spec.hide_specs:
            yield "The shape does not tell its GPUs; this machine's provider has to know them."
        elif not spec.trainer_gpus:
            return
        elif not self.count:
            needs = f"The shape needs {quantity(spec.gpus_per_replica, 'GPU')} a replica"
            yield (
                f"{needs}; this machine's provider runs shapes without GPUs only. Where it has GPUs, a superuser says "
                "which on its connection's page."
            )
        elif spec.accelerator_type not in (None, self.kind):
            yield f"The shape needs {spec.accelerator_type}; this machine has {self.kind}."
        elif spec.trainer_gpus > self.count:
            yield f"It needs {quantity(spec.trainer_gpus, 'GPU')} in all; this machine has {self.count} {self.kind}."

    def variables(self, given: list[int]) -> dict[str, str]:
        """What lets a process see those that it got and no others; nothing where there are none to give.

        Where we are shown some of the machine's alone, their numbers are places among these.
        """
        shown = _shown()
        names = [str(gpu) if shown is None else shown[gpu] for gpu in given]
        return {VISIBLE: ",".join(names)} if self.count else {}


def _shown() -> list[str] | None:
    """The names of those that this process is shown; None where nothing hides any."""
    told = os.environ.get(VISIBLE)
    return None if told is None else [name.strip() for name in told.split(",") if name.strip()]
