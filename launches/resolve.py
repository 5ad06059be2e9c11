"""Resolve what a user set, against what a shape version owns, into the complete spec. Pure; nothing else does it.

`resolve` answers the spec or every violation at once, each with field, value, limit and remedy. The form, the preview,
the task and every other door go through it, so they refuse the same things in the same words.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.enums import MODE_LABELS
from catalog.fields.launch_fields import PLACES, FieldType, LaunchField
from catalog.fields.snapshot_fields import FIELDS, spec_of
from catalog.fields.snapshots import Snapshot
from catalog.fields.values import Value, one_of, read_value, shown
from catalog.text_rules import shortened
from connections.providers.spec import NO_RECIPE, DatasetFile, TrainerMode, TrainerSpec
from wire.errors import Violation, capped
from wire.names import parse_model_name
from wire.numbers import read_whole

OWNED_BY_SHAPE = frozenset(
    {
        *(name for field in FIELDS if field.spec for name in (field.head, field.spec)),
        *("custom_image_tag", "forward_only", "deployment_shape"),  # as programs call the same
    }
)
MERGE_IT = "promote its checkpoint merged into the base model, and launch from that"
DEPLOYMENT_REPLICAS = "deployment_replica_count"
LONGEST_NAMED = 48
"""Characters of a launch's display name that its reference's takes up."""
REFERENCE, WITH_REFERENCE = "reference", "yes"
"""Whether a forward-only job of the same base model is launched beside it; "" means not."""
RECIPE = "recipe"
CONNECTION = "connection"
"""Where it runs: as the recipe, no field of the shape."""
WHEN_INTERRUPTED = "when_interrupted"
"""Whether it goes on by itself after an interruption, where it shall not do as its recipe does."""
GO_ON, WAIT = "go-on", "wait"
CONTINUE_FROM = "continue_from"
"""What training goes on from: a checkpoint or an adapter of the account, by its resource name."""


@dataclass(frozen=True)
class StartingPoint:
    """A checkpoint to go on from: its resource name, of which model and rank, at which step, where it lies, whose.

    `launched` is the display name of its launch. Or a model of the account that is an adapter, which has no step and
    lies on no connection.
    """

    name: str
    base_model: str
    lora_rank: int
    step: int = 0
    connection: str = ""
    launched: str = ""

    @property
    def is_adapter(self) -> bool:
        """Whether it is a model."""
        return parse_model_name(self.name) is not None

    @property
    def label(self) -> str:
        """`First light (JOB), NAME (step 60, rank 16)`, or `MODEL (adapter of rank 16)`."""
        *_, job, _, last = self.name.split("/")
        if self.is_adapter:
            return f"{last} (adapter of rank {self.lora_rank})"
        whose = f"{self.launched} ({job})" if self.launched else job
        return f"{whose}, {last} (step {self.step:,}, {'rank ' + str(self.lora_rank) if self.lora_rank else 'full'})"


@dataclass(frozen=True)
class Subject:
    """What is launched: a version under its resource name, the models that its shape fits, what it may go on from.

    `renamed` has the names that models had before, which mean them still. `serving` is what the deployment shape that
    it links owns, None where that is not here; `reference` what a reference beside it would be launched from, likewise.
    `datasets` are what recipes may train on, and `narrowed` the parameters of recipes that the version narrows.
    `mixture`: the models are known as mixtures of experts.
    """

    version_name: str
    snapshot: Snapshot
    fields: tuple[LaunchField, ...]
    fitting_models: tuple[str, ...]
    checkpoints: tuple[StartingPoint, ...] = ()
    renamed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    serving: Snapshot | None = None
    reference: Subject | None = None
    datasets: tuple[DatasetFile, ...] = ()
    narrowed: tuple[LaunchField, ...] = ()
    mixture: bool = False

    def checkpoint(self, name: Any) -> StartingPoint | None:
        """The one of that name."""
        return next((point for point in self.checkpoints if point.name == name), None)

    def adapter(self, name: Any) -> StartingPoint | None:
        """The same, where it is an adapter."""
        point = self.checkpoint(name)
        return point if point and point.is_adapter else None

    @property
    def base_model(self) -> str:
        """The shape's own, under the name that it has now."""
        return self.renamed.get(self.snapshot.base_model, self.snapshot.base_model)


def settled(subject: Subject, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs with what they mean where training goes on from something.

    An adapter that is named as the base model stands for its own base model, and is what is gone on from. Where base
    model and rank are left blank, they are those of what is gone on from.
    """
    meant = dict(inputs)
    named = subject.adapter(meant.get("base_model"))
    if named and (_blank(meant.get(CONTINUE_FROM)) or meant[CONTINUE_FROM] == named.name):
        del meant["base_model"]
        meant[CONTINUE_FROM] = named.name
    if point := subject.checkpoint(meant.get(CONTINUE_FROM)):
        offered = {field.name for field in subject.fields}
        its = {"base_model": point.base_model, "lora_rank": point.lora_rank}
        meant |= {name: value for name, value in its.items() if name in offered and _blank(meant.get(name))}
    return meant


def resolve(
    subject: Subject,
    inputs: Mapping[str, Any],
    *,
    recipes: Collection[str] = (NO_RECIPE,),
    connections: Collection[str] = (),
) -> TrainerSpec | tuple[Violation, ...]:
    """The spec for `inputs` (field name to text or number; absent, None or "" means the default), or all violations.

    `recipes` are the names that the provider offers, the default one first; `connections` are those that the account
    may use.
    """
    values, violations = _read_fields(subject, inputs)
    recipe, recipe_violations = read_recipe(inputs.get(RECIPE), list(recipes))
    violations = [
        *_foreign(subject, inputs),
        *violations,
        *recipe_violations,
        *_refuse_connection(inputs.get(CONNECTION), connections),
        *_refuse_going_on(inputs.get(WHEN_INTERRUPTED)),
        *_refuse_checkpoint(subject, inputs.get(CONTINUE_FROM), values),
        *_refuse_deployment(subject, values.get(DEPLOYMENT_REPLICAS)),
        *_refuse_reference(subject, inputs.get(REFERENCE)),
    ]
    if violations:
        return tuple(violations)
    point = subject.checkpoint(inputs.get(CONTINUE_FROM))
    return TrainerSpec(
        training_shape_version=subject.version_name,
        recipe=recipe,
        **_set_by_user(subject, values),
        **spec_of(subject.snapshot),
        continue_from=point.name if point else None,
        continue_step=point.step if point and not point.is_adapter else None,
        deployment_gpus=subject.serving.gpus if subject.serving and values.get(DEPLOYMENT_REPLICAS) else None,
    )


def _set_by_user(subject: Subject, values: Mapping[str, Value]) -> dict[str, Any]:
    """By the spec's attributes what the fields hold; what is not offered has its place's own value."""
    found = {place.spec: values.get(name, place.unset) for name, place in PLACES.items()}
    return found | {"base_model": values.get("base_model", subject.base_model)}


def _read_fields(subject: Subject, inputs: Mapping[str, Any]) -> tuple[dict[str, Value], list[Violation]]:
    values: dict[str, Value] = {}
    violations: list[Violation] = []
    for field in subject.fields:
        given = inputs.get(field.name)
        try:
            values[field.name] = _read_value(field, field.default if _blank(given) else given, subject)
        except ValueError as error:
            violations.append(Violation(field.name, str(error)))
    return values, violations


def no_rank(given: Any) -> bool:
    """Whether a LoRA rank that was given says full parameters, as leaving it out does."""
    return _blank(given) or read_whole(given) == 0


def _blank(given: Any) -> bool:
    return given is None or (isinstance(given, str) and given.strip() == "")


def read_recipe(given: Any, recipes: Sequence[str]) -> tuple[str, list[Violation]]:
    """The recipe that was given, the first where none was; and that it is none of them."""
    if _blank(given):
        return (recipes[0] if recipes else NO_RECIPE), []
    if given in recipes:
        return str(given), []
    return "", [Violation(RECIPE, f"{shown(given)} is not a recipe here. Use {one_of(recipes)}.")]


def _refuse_connection(given: Any, connections: Collection[str]) -> list[Violation]:
    if _blank(given) or given in connections:
        return []
    instead = f"Use {one_of(list(connections))}, or leave it out" if connections else "Leave it out"
    return [Violation(CONNECTION, f"{shown(given)} is not a connection that this account may use. {instead}.")]


def _refuse_going_on(given: Any) -> list[Violation]:
    if _blank(given) or given in (GO_ON, WAIT):
        return []
    sentence = f"{shown(given)} is neither {GO_ON} nor {WAIT}. Use one of them, or leave it out to do as recipes do."
    return [Violation(WHEN_INTERRUPTED, sentence)]


def goes_on(inputs: Mapping[str, Any], spec: TrainerSpec) -> bool:
    """Whether a launch goes on by itself after an interruption: as it was asked for, else as its recipe does."""
    asked = inputs.get(WHEN_INTERRUPTED)
    return spec.recipe != NO_RECIPE if _blank(asked) else asked == GO_ON


def _refuse_checkpoint(subject: Subject, given: Any, values: Mapping[str, Value]) -> list[Violation]:
    """Why the launch cannot go on from the checkpoint, given what else was set and can be read."""
    if _blank(given):
        return []
    point = subject.checkpoint(given)
    if point is None:
        known = [point.name for point in subject.checkpoints]
        instead = f"Use {one_of(known)}, or leave it out" if known else "There is none; leave it out"
        return [Violation(CONTINUE_FROM, f"{shown(given)} is no checkpoint that this shape can go on from. {instead}.")]
    if point.is_adapter and subject.snapshot.trainer_mode is not TrainerMode.LORA_TRAINER:
        mode = MODE_LABELS[subject.snapshot.trainer_mode]
        sentence = f"{point.label} needs a LoRA shape of {point.base_model}; this is a {mode} shape."
        return [Violation(CONTINUE_FROM, f"{sentence} Choose one, or {MERGE_IT}.")]
    found = []
    refused = {field.name for field in subject.fields} - set(values)
    model = values.get("base_model", subject.base_model)
    if model != point.base_model and "base_model" not in refused:
        sentence = f"{point.label} was trained on {point.base_model}, and the base model here is {model}."
        found.append(Violation(CONTINUE_FROM, f"{sentence} Choose that base model, or another checkpoint."))
    rank = values.get("lora_rank", 0)
    if rank != point.lora_rank and "lora_rank" not in refused:
        sentence = f"{point.label} has LoRA rank {point.lora_rank}, and the rank here is {rank}."
        instead = MERGE_IT if point.is_adapter else "choose another"
        found.append(Violation(CONTINUE_FROM, f"{sentence} Set the rank to {point.lora_rank}, or {instead}."))
    return found


def _refuse_deployment(subject: Subject, replicas: Value | None) -> list[Violation]:
    """Why there can be no samplers, where some are asked for."""
    if not replicas or subject.serving:
        return []
    link = subject.snapshot.deployment_shape_version
    because = f"{link}, which this shape links, is not here" if link else "this shape links no deployment shape"
    sentence = f"{replicas} deployment replicas need a deployment shape, and {because}. Use 0, or another shape."
    return [Violation(DEPLOYMENT_REPLICAS, sentence)]


def _refuse_reference(subject: Subject, given: Any) -> list[Violation]:
    """Why there can be no reference, where one is asked for."""
    if _blank(given):
        return []
    if given != WITH_REFERENCE:
        return [Violation(REFERENCE, f"{shown(given)} is neither {WITH_REFERENCE} nor empty. Use one of them.")]
    mode = subject.snapshot.trainer_mode
    if mode is TrainerMode.LORA_TRAINER:
        sentence = "A LoRA policy is its own reference: without its adapter it is the base model. Leave this out."
    elif mode is not TrainerMode.POLICY_TRAINER:
        sentence = f"A reference belongs to a full-parameter policy; this is a {MODE_LABELS[mode]} shape. Leave it out."
    elif subject.reference is None:
        context = f"{subject.snapshot.max_supported_context_length:,} tokens"
        sentence = (
            f"No forward-only and no LoRA shape of {subject.base_model} has {context} of context. "
            "Launch without a reference, or publish such a shape."
        )
    else:
        return []
    return [Violation(REFERENCE, sentence)]


def reference_inputs(reference: Subject, spec: TrainerSpec, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What a reference beside a policy of `spec`, of `inputs`, is launched with: the same base model, no adapter."""
    name = f"{spec.display_name[:LONGEST_NAMED]} (reference)" if spec.display_name else ""
    wanted = {"base_model": spec.base_model, "lora_rank": 0, "display_name": name}
    wanted |= {same: inputs.get(same) for same in ("region", "inactivity_timeout")}
    offered = {field.name for field in reference.fields}
    found = {field: value for field, value in wanted.items() if field in offered and value is not None}
    return found | {RECIPE: NO_RECIPE, WHEN_INTERRUPTED: inputs.get(WHEN_INTERRUPTED) or ""}


def _foreign(subject: Subject, inputs: Mapping[str, Any]) -> list[Violation]:
    """Violations of the names that are not fields of this version."""
    beside = {RECIPE, CONNECTION, CONTINUE_FROM, WHEN_INTERRUPTED, REFERENCE}
    known = {field.name for field in subject.fields} | beside
    found = [
        Violation(shortened(name), sentence)
        for name in inputs
        if name not in known and (sentence := _refuse_foreign(subject, name, inputs[name], known))
    ]
    return capped(found, field="inputs")


def _refuse_foreign(subject: Subject, name: str, given: Any, known: Collection[str]) -> str | None:
    mode = subject.snapshot.trainer_mode
    if name in OWNED_BY_SHAPE:
        return (
            f"{name} is owned by the shape ({subject.version_name}) and cannot be set. "
            "Leave it out, or choose a shape that has what you need."
        )
    if name == "lora_rank":
        if no_rank(given):
            return None  # 0 means full parameter, which is what these shapes are
        return (
            f"LoRA rank {shown(given)} needs a LoRA shape; this is a {MODE_LABELS[mode]} shape, where the rank is 0. "
            "Leave it out, or choose a LoRA shape of the same base model."
        )
    if name == "learning_rate" and mode is TrainerMode.FORWARD_ONLY:
        return "A forward-only shape has no optimizer, so there is no learning rate to set. Leave it out."
    # repr escapes what cannot be seen; its quotes would only clutter a name
    return f"{shown(name)[1:-1]} is not a field of this shape. The fields are {', '.join(sorted(known))}."


def _read_value(field: LaunchField, given: Any, subject: Subject) -> Value:
    """One value, read and checked against its field. Errors: `ValueError` with a sentence for the user."""
    if field.type is FieldType.MODEL:
        return _read_model(given, subject)
    return read_value(field, given)


def _read_model(given: Any, subject: Subject) -> str:
    if _blank(given):
        return subject.base_model
    name = subject.renamed.get(str(given), given)
    if name in subject.fitting_models or name == subject.base_model:
        return str(name)
    if subject.adapter(name):
        raise ValueError(
            f"{shown(given)} is an adapter, and the launch goes on from something else. Leave out one of them."
        )
    raise ValueError(
        f"{shown(given)} does not fit this shape, which is made for {subject.base_model}. "
        f"Use {one_of(subject.fitting_models or (subject.base_model,))}."
    )
