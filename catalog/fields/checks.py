"""What is wrong with a version before anybody runs it. Pure.

`problems` are walls: with one of them nothing is validated or published. `warnings` are not: a rough look at memory,
and facts that nobody gave.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from catalog.enums import AcceleratorType, ShapeKind, WeightPrecision
from catalog.fields.launch_fields import LaunchField
from catalog.fields.narrowing import problems_of_fields
from catalog.fields.snapshot_fields import FIELDS_OF, SCHEME, SCHEME_FIELDS, SnapshotField, ValueKind, value_of
from catalog.fields.snapshots import Snapshot
from catalog.labels import accelerator_label, parameter_label
from catalog.text_rules import LONGEST_SHOWN, refuse_length, refuse_unseen
from connections.providers.spec import ShardingScheme, TrainerMode
from wire.counts import quantity
from wire.errors import Violation
from wire.names import DEPLOYMENT_VERSION_FORM, refuse_name

GIGABYTE = 10**9
GPU_GIGABYTES: dict[str, int] = {
    AcceleratorType.NVIDIA_A100_40GB: 40,
    AcceleratorType.NVIDIA_A100_80GB: 80,
    AcceleratorType.NVIDIA_A10G_24GB: 24,
    AcceleratorType.NVIDIA_L4_24GB: 24,
    AcceleratorType.NVIDIA_H100_80GB: 80,
    AcceleratorType.NVIDIA_H200_141GB: 141,
    AcceleratorType.NVIDIA_B200_180GB: 180,
    AcceleratorType.NVIDIA_B300_288GB: 288,
    AcceleratorType.NVIDIA_GB200: 186,
    AcceleratorType.NVIDIA_GB300: 288,
    AcceleratorType.AMD_MI300X_192GB: 192,
    AcceleratorType.AMD_MI325X_256GB: 256,
    AcceleratorType.AMD_MI350X_288GB: 288,
}
"""Memory of one GPU. The names say it, but for GB200 and GB300, whose figures are their maker's."""
WEIGHT_BYTES: dict[str, float] = {
    WeightPrecision.BFLOAT16: 2,
    WeightPrecision.INT8: 1,
    WeightPrecision.NF4: 0.5,
    WeightPrecision.FP8: 1,
    WeightPrecision.FP4_FP8: 0.5,
}
TRAINED_BYTES = 14
"""Beside the weight of every trained parameter: gradient in 16 bit (2), master weight and Adam's moments in 32 (12)."""


def range_problems(snapshot: Snapshot) -> list[Violation]:
    """Fields that are out of their limits, which not even a draft may have."""
    return [
        found for field in FIELDS_OF[snapshot.kind] if (found := range_problem(field, value_of(snapshot, field.key)))
    ]


def problems(snapshot: Snapshot, fields: Sequence[LaunchField], edition: int | None = None) -> tuple[Violation, ...]:
    """Everything that keeps the version from being validated, each with its field, the figures and the remedy.

    `edition` is the one of the common set that the fields narrow, the newest unless told.
    """
    return (
        *range_problems(snapshot),
        *joint_problems(snapshot),
        *problems_of_fields(snapshot.trainer_mode, fields, edition),
    )


def joint_problems(snapshot: Snapshot, *, unread: Collection[str] = ()) -> tuple[Violation, ...]:
    """What does not fit together or names nothing; checks that need one of the fields `unread` are left out."""
    return tuple(found for needed, check in _JOINT if needed.isdisjoint(unread) for found in check(snapshot))


def missing_facts(snapshot: Snapshot) -> tuple[Violation, ...]:
    """What a shape with GPUs has to say before it is published by those whose own it is."""
    if not snapshot.gpus:
        return ()
    asked = {
        "accelerator_type": "Say which GPU it runs on.",
        "base_model_weight_precision": "Say in which precision the weights are kept.",
        "trainer_image_tag": "Say which trainer image it runs.",
        "deployment_image_tag": "Say which image its samplers run.",
        "engine": "Say what its samplers serve with.",
    }
    linked = {"deployment_image_tag"} if snapshot.kind is ShapeKind.TRAINING else set()  # what it links says it
    own = {field.key for field in FIELDS_OF[snapshot.kind]} - linked
    unknown = (key for key in asked if key in own and not value_of(snapshot, key))
    return tuple(Violation(key, f"It is unknown. {asked[key]}") for key in unknown)


def warnings(snapshot: Snapshot, *, model_parameters: int | None) -> tuple[Violation, ...]:
    """What a publisher should know and may overrule; `model_parameters` is what is known of its base model."""
    estimate = estimate_memory(snapshot)
    tight = estimate is not None and estimate.per_gpu > estimate.available
    memory = [Violation("accelerator_type", estimate.sentence)] if tight and estimate else []
    return (*missing_facts(snapshot), *_other_count(snapshot, model_parameters), *memory)


def _other_count(snapshot: Snapshot, model_parameters: int | None) -> Iterator[Violation]:
    count = snapshot.parameter_count
    if count and model_parameters and count != model_parameters:
        yield Violation(
            "parameter_count",
            f"{count:,} differs from the {model_parameters:,} parameters of the base model. "
            "Use that figure, unless the base model's is wrong.",
        )


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes that weights and optimizer state need on each GPU at the least, and bytes that a GPU has."""

    per_gpu: float
    available: float
    sentence: str


def estimate_memory(snapshot: Snapshot) -> MemoryEstimate | None:
    """The least that has to fit, divided evenly over all GPUs; None where a figure is unknown or there is no GPU.

    Activations, caches and fragmentation come on top, so what does not fit here never fits, and what just fits may not.
    """
    count, precision, accelerator = (
        snapshot.parameter_count,
        snapshot.base_model_weight_precision,
        snapshot.accelerator_type,
    )
    if not (count and precision in WEIGHT_BYTES and accelerator in GPU_GIGABYTES and snapshot.gpus):
        return None
    weight = WEIGHT_BYTES[precision]
    trained = TRAINED_BYTES if snapshot.trainer_mode is TrainerMode.POLICY_TRAINER else 0
    per_gpu = count * (weight + trained) / snapshot.gpus
    available = float(GPU_GIGABYTES[accelerator] * GIGABYTE)
    state = f" + {trained} B of gradient, master weight and Adam moments" if trained else ""
    adapter = ", the adapter and its optimizer state" if snapshot.trainer_mode is TrainerMode.LORA_TRAINER else ""
    evenly = " if all of it is divided evenly over them" if snapshot.gpus > 1 else ""
    sentence = (
        f"{parameter_label(count)} parameters x ({weight:g} B of {precision} weight{state}) / "
        f"{quantity(snapshot.gpus, 'GPU')} = {per_gpu / GIGABYTE:,.1f} GB on each{evenly}, before "
        f"activations{adapter}; {accelerator_label(accelerator)} has {available / GIGABYTE:,.0f} GB."
    )
    return MemoryEstimate(per_gpu, available, sentence)


def range_problem(field: SnapshotField, value: object) -> Violation | None:
    """Why the field cannot hold the value; None where it can."""
    if value is None or (value == "" and field.optional):
        return None if field.optional else Violation(field.key, f"{field.label} is missing. Fill it in.")
    if field.kind is ValueKind.TEXT:
        if field.maximum and (refusal := refuse_length(str(value), field.maximum)):
            return Violation(field.key, refusal)
        if refusal := refuse_unseen(str(value), lines=field.lines):
            return Violation(field.key, refusal)
        if field.pattern and not field.pattern.fullmatch(str(value)):
            return Violation(field.key, f"{str(value)[:LONGEST_SHOWN]!r} cannot be used. Use {field.rule}.")
    if field.kind is ValueKind.WHOLE and not _within(field, value):
        return Violation(field.key, f"{value} is out of range. Use {field.minimum:,} to {field.maximum:,}.")
    return None


def _within(field: SnapshotField, value: object) -> bool:
    return isinstance(value, int) and (field.minimum or 0) <= value <= (field.maximum or value)


def _division(snapshot: Snapshot) -> Iterator[Violation]:
    scheme = snapshot.trainer_sharding_scheme
    if scheme is None or snapshot.hide_specs:
        return
    degrees = scheme.degrees
    product = _product(degrees.values())
    gpus = snapshot.gpus
    shown = " x ".join(f"{kind} {degree}" for kind, degree in degrees.items())
    if gpus == 0 and product > 1:
        sentence = f"{shown} = {product}, but there is no GPU to divide anything over. Set them to 1, or add GPUs."
        yield Violation(SCHEME, sentence)
    elif gpus % product:
        yield Violation(
            SCHEME,
            f"{quantity(snapshot.accelerator_count, 'GPU')} x {quantity(snapshot.node_count, 'node')} = "
            f"{quantity(gpus, 'GPU')}, but {shown} = {product}, and {gpus} is not a multiple of {product}. "
            "Change the degrees, the GPUs per node or the nodes.",
        )


def _sequence(snapshot: Snapshot) -> Iterator[Violation]:
    scheme = snapshot.trainer_sharding_scheme or ShardingScheme()
    tokens, sharers = snapshot.max_supported_context_length, scheme.context_parallelism
    if tokens % sharers:
        yield Violation(
            "max_supported_context_length",
            f"{tokens:,} tokens do not divide by context parallelism {sharers}. "
            f"Use {max(tokens - tokens % sharers, sharers):,}, or another degree.",
        )


def _serving(snapshot: Snapshot) -> Iterator[Violation]:
    name = snapshot.deployment_shape_version
    if name and (sentence := refuse_name(name, DEPLOYMENT_VERSION_FORM, what="version of a deployment shape")):
        yield Violation("deployment_shape_version", f"{sentence}.")


_DEGREES = frozenset(field.key for field in SCHEME_FIELDS if field.kind is ValueKind.WHOLE)
_JOINT: tuple[tuple[frozenset[str], Callable[[Snapshot], Iterable[Violation]]], ...] = (
    (frozenset({"accelerator_count", "node_count"}) | _DEGREES, _division),
    (frozenset({"max_supported_context_length", f"{SCHEME}.context_parallelism"}), _sequence),
    (frozenset({"deployment_shape_version"}), _serving),
)
"""Each of these checks with the fields that it needs."""


def data_parallel_rest(snapshot: Snapshot) -> int | None:
    """Copies of the model that the GPUs of one replica hold; None where the degrees do not divide them."""
    product = _product((snapshot.trainer_sharding_scheme or ShardingScheme()).degrees.values())
    return snapshot.gpus // product if snapshot.gpus and snapshot.gpus % product == 0 else None


def _product(degrees: Iterable[int]) -> int:
    product = 1
    for degree in degrees:
        product *= degree
    return product
