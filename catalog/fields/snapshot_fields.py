"""Every field that a shape owns: its meaning, unit, limits, and the group that it is edited and compared in. Pure.

One table for the editor, the checks, the difference of two versions, the comparison of shapes, the API, catalog files,
the facts on pages and what a launch is told. A key with a dot is a degree of `trainer_sharding_scheme`. `FIELDS` are
those of a training shape; a deployment shape has most of them, and the engine beside.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from typing import Any

from catalog.enums import AcceleratorType, Engine, ShapeKind, WeightPrecision
from catalog.fields.launch_fields import MAX_DISPLAY_NAME
from catalog.fields.snapshots import Snapshot
from connections.providers.spec import ShardingScheme, TrainerMode
from wire.casing import camel

MAX_GPUS = 1024
MAX_NODES = 1024
MAX_TOKENS = 100_000_000
LONGEST_TAG = 128
MAX_PARAMETERS = 10**15
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
SCHEME = "trainer_sharding_scheme"
TAG_RULE = "letters, digits, _, . and -, of which . and - do not come first"


class FieldGroup(StrEnum):
    """Sections of the editor."""

    MODEL = "Model"
    HARDWARE = "Hardware"
    PARALLELISM = "Parallelism"
    RUNTIME = "Runtime"
    SERVING = "Serving"


class ValueKind(StrEnum):
    """How a value is written."""

    TEXT = "text"
    WHOLE = "whole"
    CHOICE = "choice"
    FLAG = "flag"


@dataclass(frozen=True)
class SnapshotField:
    """One field: `minimum` and `maximum` bound a whole number, `maximum` the length of a text (inclusive).

    A text matches `pattern`, where there is one; `rule` says in words what that allows. `lines`: it may have several.
    An optional field may be unknown (None); `fixed` ones are the shape's own and the same in all of its versions.
    `spec` is the attribute of a launch's resolved spec that carries it, "" where a launch is not told; `file` its key
    in a catalog file, where that is another one; `note` tells readers of the API more. Where `heads` is set, pages have
    it at their head, and not among the facts. `kinds` of shapes have it.
    """

    key: str
    label: str
    group: FieldGroup
    kind: ValueKind
    meaning: str
    unit: str = ""
    minimum: int | None = None
    maximum: int | None = None
    pattern: re.Pattern[str] | None = None
    rule: str = ""
    lines: bool = False
    choices: tuple[str, ...] = ()
    optional: bool = True
    fixed: bool = False
    spec: str = ""
    file: str = ""
    note: str = ""
    heads: bool = False
    kinds: frozenset[ShapeKind] = frozenset(ShapeKind)

    @property
    def in_file(self) -> str:
        """Its path in a shape of a catalog file, such as `parallelism.tensor`."""
        return self.file or self.key

    @property
    def unspecified(self) -> str:
        """How the API says that the choice is unknown, such as `WEIGHT_PRECISION_UNSPECIFIED`."""
        return f"{self.in_file.upper()}_UNSPECIFIED"

    @property
    def enumeration(self) -> type[StrEnum]:
        """The type of the choices."""
        kind = type(self.choices[0])
        assert issubclass(kind, StrEnum), "choices are members"
        return kind

    @property
    def unset(self) -> Any:
        """What a snapshot holds where nothing is said; None for what it cannot be without, too."""
        _, _, inner = self.key.partition(".")
        default = fields(ShardingScheme) if inner else fields(Snapshot)
        found = next(each.default for each in default if each.name == (inner or self.key))
        return None if found is MISSING else found

    @property
    def head(self) -> str:
        """The snapshot's attribute that holds it."""
        return self.key.partition(".")[0]

    @property
    def wire(self) -> str:
        """Its path on the wire, such as `trainerShardingScheme.tensorParallelism`."""
        return ".".join(camel(part) for part in self.key.split("."))


_OF_TRAINERS = frozenset({ShapeKind.TRAINING})


def _degree(kind: str, meaning: str) -> SnapshotField:
    return SnapshotField(
        f"{SCHEME}.{kind}_parallelism",
        f"{kind.capitalize()} parallelism",
        FieldGroup.PARALLELISM,
        ValueKind.WHOLE,
        meaning,
        unit="GPUs",
        minimum=1,
        maximum=MAX_GPUS,
        spec=SCHEME,
        file=f"parallelism.{kind}",
        kinds=_OF_TRAINERS,
    )


EVERY_FIELD: tuple[SnapshotField, ...] = (
    SnapshotField(
        "base_model",
        "Base model",
        FieldGroup.MODEL,
        ValueKind.TEXT,
        "Resource name of the model that the shape is made for; a shape keeps it for ever.",
        maximum=200,
        optional=False,
        fixed=True,
        file="model",
        heads=True,
    ),
    SnapshotField(
        "trainer_mode",
        "Trainer mode",
        FieldGroup.MODEL,
        ValueKind.CHOICE,
        "Policy trains all parameters, LoRA an adapter; forward-only computes log-probabilities and trains nothing.",
        choices=tuple(TrainerMode),
        optional=False,
        spec="trainer_mode",
        kinds=_OF_TRAINERS,
    ),
    SnapshotField(
        "max_supported_context_length",
        "Context",
        FieldGroup.MODEL,
        ValueKind.WHOLE,
        "The longest sequence that the shape takes: a number, or a size such as 256k, which is 262144.",
        unit="tokens",
        minimum=1,
        maximum=MAX_TOKENS,
        optional=False,
        spec="max_context_length",
        note="tokens",
    ),
    SnapshotField(
        "display_name",
        "Label",
        FieldGroup.MODEL,
        ValueKind.TEXT,
        "What the catalog calls the shape beside its id; fewer than 64 characters.",
        maximum=MAX_DISPLAY_NAME,
        file="label",
        heads=True,
    ),
    SnapshotField(
        "description",
        "Description",
        FieldGroup.MODEL,
        ValueKind.TEXT,
        "What its users should know of it.",
        maximum=2000,
        lines=True,
        heads=True,
    ),
    SnapshotField(
        "model_type",
        "Model type",
        FieldGroup.MODEL,
        ValueKind.TEXT,
        "The architecture's name, as in the model's configuration; with the parameter count it says what else fits.",
        maximum=63,
        heads=True,
    ),
    SnapshotField(
        "parameter_count",
        "Parameters",
        FieldGroup.MODEL,
        ValueKind.WHOLE,
        "Parameters of the base model, all experts included.",
        unit="parameters",
        minimum=1,
        maximum=MAX_PARAMETERS,
        note="int64 as a string",
        heads=True,
    ),
    SnapshotField(
        "accelerator_type",
        "GPU type",
        FieldGroup.HARDWARE,
        ValueKind.CHOICE,
        "The GPU that every node has; unspecified lets the provider choose.",
        choices=tuple(AcceleratorType),
        spec="accelerator_type",
    ),
    SnapshotField(
        "accelerator_count",
        "GPUs per node",
        FieldGroup.HARDWARE,
        ValueKind.WHOLE,
        "0 for a shape that needs no GPU.",
        unit="GPUs",
        minimum=0,
        maximum=MAX_GPUS,
        optional=False,
        spec="accelerator_count",
        file="gpus",
        note="GPUs per node",
    ),
    SnapshotField(
        "node_count",
        "Nodes",
        FieldGroup.HARDWARE,
        ValueKind.WHOLE,
        "Machines of one replica.",
        unit="nodes",
        minimum=1,
        maximum=MAX_NODES,
        optional=False,
        spec="node_count",
        file="nodes",
    ),
    SnapshotField(
        "hide_specs",
        "GPUs hidden",
        FieldGroup.HARDWARE,
        ValueKind.FLAG,
        "Whether who runs the shape tells neither which GPUs it takes nor how many.",
        spec="hide_specs",
        heads=True,
        kinds=_OF_TRAINERS,
    ),
    SnapshotField(
        "rl_accelerator_count",
        "GPUs for RL",
        FieldGroup.HARDWARE,
        ValueKind.WHOLE,
        "GPUs of trainer and rollouts together in reinforcement learning, where that is known.",
        unit="GPUs",
        minimum=1,
        maximum=MAX_GPUS * MAX_NODES,
        spec="rl_accelerator_count",
        heads=True,
        kinds=_OF_TRAINERS,
    ),
    _degree("tensor", "GPUs that share each layer's matrices."),
    _degree("pipeline", "Stages that the layers are divided into."),
    _degree("context", "GPUs that share one sequence; divides the context."),
    _degree("expert", "GPUs that the experts of a mixture are divided over."),
    SnapshotField(
        f"{SCHEME}.sequence_parallelism",
        "Sequence parallelism",
        FieldGroup.PARALLELISM,
        ValueKind.FLAG,
        "Whether the tensor-parallel GPUs also divide what stands between the matrices, along the sequence.",
        spec=SCHEME,
        file="parallelism.sequence",
        kinds=_OF_TRAINERS,
    ),
    SnapshotField(
        "trainer_image_tag",
        "Trainer image",
        FieldGroup.RUNTIME,
        ValueKind.TEXT,
        f"Tag of the trainer's image: {TAG_RULE}.",
        maximum=LONGEST_TAG,
        pattern=TAG,
        rule=TAG_RULE,
        spec="trainer_image_tag",
        file="image_tag",
        kinds=_OF_TRAINERS,
    ),
    SnapshotField(
        "base_model_weight_precision",
        "Weight precision",
        FieldGroup.RUNTIME,
        ValueKind.CHOICE,
        "How the base model's weights are kept in memory.",
        choices=tuple(WeightPrecision),
        spec="base_model_weight_precision",
        file="weight_precision",
    ),
    SnapshotField(
        "deployment_shape_version",
        "Deployment shape",
        FieldGroup.SERVING,
        ValueKind.TEXT,
        "Version of the deployment shape whose samplers serve what is trained: "
        "accounts/{account}/deploymentShapes/{shape}/versions/{version}.",
        maximum=300,
        spec="deployment_shape_version",
        kinds=_OF_TRAINERS,
    ),
    SnapshotField(
        "deployment_image_tag",
        "Deployment image",
        FieldGroup.SERVING,
        ValueKind.TEXT,
        f"Tag of the sampler's image: {TAG_RULE}.",
        maximum=LONGEST_TAG,
        pattern=TAG,
        rule=TAG_RULE,
        spec="deployment_image_tag",
    ),
    SnapshotField(
        "engine",
        "Engine",
        FieldGroup.SERVING,
        ValueKind.CHOICE,
        "What the samplers serve with.",
        choices=tuple(Engine),
        kinds=frozenset({ShapeKind.DEPLOYMENT}),
    ),
)
FIELDS_OF = {kind: tuple(field for field in EVERY_FIELD if kind in field.kinds) for kind in ShapeKind}
FIELDS = FIELDS_OF[ShapeKind.TRAINING]
BY_KEY = {field.key: field for field in EVERY_FIELD}
SCHEME_FIELDS = tuple(field for field in FIELDS if field.head == SCHEME)


def value_of(snapshot: Snapshot, key: str) -> Any:
    """The snapshot's value of a field; None where it is unknown, and for the degrees of no scheme."""
    head, _, inner = key.partition(".")
    value = getattr(snapshot, head)
    return getattr(value, inner) if inner and isinstance(value, ShardingScheme) else value


def spec_of(snapshot: Snapshot) -> dict[str, Any]:
    """By the attributes of a launch's resolved spec what the shape owns of it."""
    return {field.spec: getattr(snapshot, field.head) for field in FIELDS if field.spec}
