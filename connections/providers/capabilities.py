"""What a kind of connection can do, and how it likes to be asked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Credential(StrEnum):
    """What the gateway shows at an endpoint: the trainer's own token, or the secret of the connection."""

    TRAINER_TOKEN = "TRAINER_TOKEN"  # noqa: S105  (the name of a choice)
    CONNECTION_SECRET = "CONNECTION_SECRET"  # noqa: S105


@dataclass(frozen=True)
class Capabilities:
    """What a kind of connection can do, and how it likes to be asked.

    `poll_seconds` is how often an attempt that runs is observed. `observes_many` says that one call sees all attempts
    of the connection, so they are observed together. `has_files` says that it runs our own trainer, whose log, records
    and checkpoints can be read: where it does not, curves come from what passes through the gateway. `holds_weights`
    says that checkpoints can be opened and removed through it. `runs_here` says that it needs nothing but this machine.
    `looks_before_lost` is how often in a row, each time later, it has to say that it knows no such job before that
    counts: what moves house, or was restored, may say so for a while. `merges` says that `merge` does it,
    `brings_models` that models which accounts made here, adapters too, are where its trainers are. `trainer_slots` and
    `sampler_slots` are how many run at a time at most, None where it does not say.
    """

    poll_seconds: float
    observes_many: bool = False
    credential: Credential = Credential.TRAINER_TOKEN
    has_files: bool = True
    holds_weights: bool = True
    runs_samplers: bool = False
    runs_here: bool = False
    looks_before_lost: int = 4
    merges: bool = False
    brings_models: bool = False
    trainer_slots: int | None = None
    sampler_slots: int | None = None
