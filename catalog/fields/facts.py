"""What a shape owns, in the words of its page and of the launch form. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.enums import MODE_LABELS, ShapeKind
from catalog.fields.differences import written
from catalog.fields.snapshot_fields import FIELDS_OF, SnapshotField, value_of
from catalog.fields.snapshots import Snapshot
from catalog.labels import accelerator_label, context_label, parameter_label
from connections.providers.spec import ShardingScheme

HIDDEN = "not told by who runs it"


@dataclass(frozen=True)
class Fact:
    """One locked line: value None means that nobody knows it before the launch; `url` leads to what it names."""

    key: str
    label: str
    value: str | None
    note: str = ""
    url: str = ""


def shape_facts(snapshot: Snapshot) -> list[Fact]:
    """Every field that the shape owns, in the order of its page."""
    nodes, hidden = snapshot.node_count, HIDDEN if snapshot.hide_specs else ""
    tokens = snapshot.max_supported_context_length
    facts = [
        Fact("trainer_mode", "Trainer mode", MODE_LABELS[snapshot.trainer_mode]),
        Fact("accelerator_type", "GPU type", _gpu_type(snapshot)),
        Fact("accelerator_count", "GPUs per node", hidden or str(snapshot.accelerator_count)),
        Fact("node_count", "Nodes", hidden or str(nodes)),
        Fact("gpus", "GPUs in all", hidden or str(snapshot.gpus), _of_gpus(snapshot)),
        Fact("max_supported_context_length", "Context", context_label(tokens), f"{tokens:,} tokens at most"),
        Fact("engine", "Engine", snapshot.engine),
        Fact("trainer_image_tag", "Image", snapshot.trainer_image_tag),
        Fact("trainer_sharding_scheme", "Parallelism", _parallelism(snapshot.trainer_sharding_scheme)),
        Fact("base_model_weight_precision", "Weight precision", snapshot.base_model_weight_precision),
        Fact("deployment_shape_version", "Deployment shape", snapshot.deployment_shape_version),
        Fact("deployment_image_tag", "Deployment image", snapshot.deployment_image_tag),
    ]
    shown, fields = {fact.key for fact in facts}, FIELDS_OF[snapshot.kind]
    own = {"gpus", *(field.head for field in fields)}
    others = [field for field in fields if not field.heads and field.head not in shown]
    return [
        *(fact for fact in facts if fact.key in own),
        *(Fact(each.key, each.label, _value(each, snapshot)) for each in others),
    ]


def _value(field: SnapshotField, snapshot: Snapshot) -> str | None:
    value = value_of(snapshot, field.key)
    return None if value in (None, "") else written(field, value)


def parameters(snapshot: Snapshot) -> str:
    """The base model's size, empty where it is not known."""
    return parameter_label(snapshot.parameter_count) if snapshot.parameter_count else ""


def _of_gpus(snapshot: Snapshot) -> str:
    """What the number of GPUs counts."""
    trains = snapshot.kind is ShapeKind.TRAINING
    words = f"for each {'trainer ' if trains else ''}replica" if snapshot.gpus and not snapshot.hide_specs else ""
    count = snapshot.rl_accelerator_count
    return "; ".join(filter(None, (words, f"{count:,} with the rollouts of RL" if count else "")))


def _gpu_type(snapshot: Snapshot) -> str | None:
    if snapshot.hide_specs:
        return HIDDEN
    if not snapshot.gpus:
        return "No GPU"
    return accelerator_label(snapshot.accelerator_type) if snapshot.accelerator_type else None


def _parallelism(scheme: ShardingScheme | None) -> str | None:
    if scheme is None:
        return None
    words = [f"{kind} {degree}" for kind, degree in scheme.degrees.items() if degree > 1]
    words += ["sequence"] if scheme.sequence_parallelism else []
    return ", ".join(words) or "none"
