"""What a launch page and the form say of what the shape decides. Pure."""

from __future__ import annotations

from catalog.fields.facts import Fact, shape_facts
from catalog.fields.snapshots import Snapshot
from connections.providers.spec import TrainerSpec
from wire.counts import quantity


def locked_facts(snapshot: Snapshot, *, version_id: str, digest: str) -> list[Fact]:
    """The shape's own facts, and the version (its id and its sha256 in hex) that they come from."""
    return [*shape_facts(snapshot), Fact("version", "Version", version_id, f"sha256 {digest[:16]}…")]


def gpu_total(spec: TrainerSpec, reference: TrainerSpec | None = None) -> str:
    """GPUs of the whole launch in words: what the shape takes, times the replicas, and what stays open.

    With those of what is launched with it: its samplers, and its reference where it has one.
    """
    trainer, sampler, replicas = spec.trainer_gpus, spec.sampler_gpus, spec.trainer_replica_count
    beside = reference.trainer_gpus if reference else 0
    total = trainer + sampler + beside
    words = f"{quantity(total, 'GPU')} in all" if total else "no GPU: runs on the CPU"
    if spec.hide_specs:
        return "GPUs that who runs it does not tell"
    if trainer and (replicas > 1 or spec.node_count > 1):
        nodes = quantity(spec.node_count, "node")
        words += f" ({spec.accelerator_count} a node x {nodes} x {quantity(replicas, 'replica')})"
    if spec.rl_accelerator_count:
        words += f", {spec.rl_accelerator_count:,} with the rollouts of RL"
    shares = [(trainer, "trainer"), (beside, "reference"), (sampler, "deployment")]
    if total > trainer:
        *first, last = [f"{gpus:,} of the {whose}" for gpus, whose in shares if gpus or whose == "trainer"]
        words += f": {', '.join(first)} and {last}"
    return words
