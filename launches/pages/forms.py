"""The launch form: what was posted, read; and what is shown, field by field. Pure.

The meaning of the values is `launches.resolve`'s alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.enums import MODE_LABELS
from catalog.fields.inputs import Input, options_of
from catalog.fields.launch_fields import PLACES, FieldType, LaunchField
from catalog.fields.texts import limits_text
from catalog.labels import value_label
from catalog.text_rules import shortened
from connections.providers.recipes import Recipe
from connections.providers.spec import TrainerMode
from launches.resolve import (
    CONNECTION,
    CONTINUE_FROM,
    GO_ON,
    RECIPE,
    REFERENCE,
    WAIT,
    WHEN_INTERRUPTED,
    WITH_REFERENCE,
    StartingPoint,
    Subject,
)
from wire.counts import quantity
from wire.errors import Violation, capped

OWN_NAMES = frozenset(
    {"account", "csrfmiddlewaretoken", "decided", "idempotency_key", "latest", "shown_recipe", "version"}
)
"""Fields of the form that are not inputs of the launch."""

FORM_PREFIX = "id_"
"""Of the ids of the form's inputs."""
KEYBOARDS = {FieldType.INTEGER: "numeric", FieldType.NUMBER: "decimal"}


def read_inputs(posted: Iterable[tuple[str, Sequence[Any]]]) -> tuple[dict[str, str], tuple[Violation, ...]]:
    """What was posted, name by name, but for the form's own names; and a violation for every name sent twice.

    Of a name that was sent twice the last value is kept, to be shown again; the launch is refused.
    """
    inputs: dict[str, str] = {}
    repeated = []
    for name, values in posted:
        if len(values) > 1:
            shown = ", ".join(repr(str(value)[:40]) for value in values[:5])
            repeated.append(
                Violation(shortened(name), f"{shortened(name)} was sent {len(values)} times ({shown}). Send it once.")
            )
        if name not in OWN_NAMES:
            inputs[name] = str(values[-1]) if values else ""
    return inputs, tuple(capped(repeated, field="inputs"))


@dataclass(frozen=True)
class LaunchPlace:
    """A connection that may run it: its name, what people read, and what it has free, "" where that is not known.

    `waits` says that a launch would wait there, as far as it last said; `interrupts` that it may be interrupted there.
    """

    name: str
    label: str
    free: str = ""
    waits: bool = False
    interrupts: bool = False

    @property
    def standing(self) -> str:
        """The label with what is free."""
        told = ", ".join(filter(None, ("would wait" if self.waits else "", self.free)))
        return f"{self.label} ({told})" if told else self.label


def form_fields(
    subject: Subject,
    recipes: Sequence[Recipe],
    inputs: Mapping[str, Any],
    violations: Sequence[Violation],
    places: Sequence[LaunchPlace] = (),
    limits: str = "",
) -> tuple[Input, ...]:
    """The editable fields of the version, where it runs where there is a choice, and the recipe where there is any.

    `limits` are what our own recipes cannot do where it goes.
    """
    errors: dict[str, list[str]] = {}
    for violation in violations:
        errors.setdefault(violation.field, []).append(violation.description)
    fields = [_input(field, subject, inputs, tuple(errors.get(field.name, ()))) for field in subject.fields]
    if len(places) > 1 or errors.get(CONNECTION):
        fields.append(_place(places, inputs.get(CONNECTION), tuple(errors.get(CONNECTION, ()))))
    fields += _reference(subject, inputs.get(REFERENCE), tuple(errors.get(REFERENCE, ())))
    if subject.checkpoints or errors.get(CONTINUE_FROM):
        fields.append(_continue_from(subject, inputs.get(CONTINUE_FROM), tuple(errors.get(CONTINUE_FROM, ()))))
    if any(each.interrupts for each in places) or errors.get(WHEN_INTERRUPTED):
        fields.append(_going_on(inputs.get(WHEN_INTERRUPTED), tuple(errors.get(WHEN_INTERRUPTED, ()))))
    if recipes:
        fields.append(_recipe(recipes, inputs.get(RECIPE), tuple(errors.get(RECIPE, ())), limits))
    return tuple(fields)


def _input(field: LaunchField, subject: Subject, inputs: Mapping[str, Any], errors: tuple[str, ...]) -> Input:
    of_a_model = field.type is FieldType.MODEL
    default = subject.base_model if of_a_model else field.default
    value = value_label(inputs.get(field.name, default))
    choices = [value_label(choice) for choice in (subject.fitting_models if of_a_model else field.choices)]
    return Input(
        prefix=FORM_PREFIX,
        name=field.name,
        label=field.label,
        help=field.help,
        value=value,
        default=value_label(default),
        limits=limits_text(field),
        placeholder=PLACES[field.name].placeholder or f"default {value_label(default)}",
        keyboard=KEYBOARDS.get(field.type, "text"),
        optional=PLACES[field.name].optional,
        wide=of_a_model,
        options=options_of(zip(choices, choices, strict=True), value, odd="not offered"),
        suggestions=tuple(value_label(suggestion) for suggestion in field.suggestions),
        errors=errors,
    )


def _place(places: Sequence[LaunchPlace], given: Any, errors: tuple[str, ...]) -> Input:
    value = value_label(given)
    choices = [(each.name, each.standing) for each in places]
    first = f"the first that may: {places[0].label}" if places else "the first that may"
    return Input(
        prefix=FORM_PREFIX,
        name=CONNECTION,
        label="Where it runs",
        help="The connection that the launch goes to, and stays with.",
        value=value,
        default="",
        options=options_of([("", first), *choices], value, odd="cannot run it"),
        errors=errors,
    )


def _going_on(given: Any, errors: tuple[str, ...]) -> Input:
    value = value_label(given)
    choices = [("", "as its recipe does"), (GO_ON, "goes on by itself"), (WAIT, "waits for Resume")]
    return Input(
        prefix=FORM_PREFIX,
        name=WHEN_INTERRUPTED,
        label="When interrupted",
        help="After its machine failed or it had to make room. A recipe goes on; a loop of your own waits, since its "
        "session is gone and a new trainer would hold GPUs for nobody.",
        value=value,
        default="",
        options=options_of(choices, value, odd="is neither"),
        errors=errors,
    )


def _reference(subject: Subject, given: Any, errors: tuple[str, ...]) -> list[Input]:
    """Whether a reference is launched beside it, where one can be."""
    reference = subject.reference
    if reference is None and not errors:
        return []
    value = value_label(given)
    choices = [("", "without a reference"), (WITH_REFERENCE, _told_of(reference))] if reference else []
    return [
        Input(
            prefix=FORM_PREFIX,
            name=REFERENCE,
            label="Reference",
            help="A second trainer that only goes forward, with the base model: what your loop measures the policy by.",
            value=value,
            default="",
            options=options_of(choices, value, odd="cannot be"),
            errors=errors,
        )
    ]


def _told_of(reference: Subject) -> str:
    """`with tiny-qwen3-2k-forward (forward-only, no GPU)`."""
    snapshot = reference.snapshot
    rank = ", rank 0" if snapshot.trainer_mode is TrainerMode.LORA_TRAINER else ""
    gpus = quantity(snapshot.gpus, "GPU") if snapshot.gpus else "no GPU"
    shape = reference.version_name.split("/")[3]
    return f"with {shape} ({MODE_LABELS[snapshot.trainer_mode]}{rank}, {gpus})"


def _continue_from(subject: Subject, given: Any, errors: tuple[str, ...]) -> Input:
    value = value_label(given)
    return Input(
        prefix=FORM_PREFIX,
        name=CONTINUE_FROM,
        label="Continue from",
        help="A checkpoint or an adapter of this account, of the same base model and LoRA rank, to train on from.",
        value=value,
        default="",
        wide=True,
        options=options_of(
            [("", "the base model"), *((point.name, _told(point, subject)) for point in subject.checkpoints)],
            value,
            odd="cannot be gone on from",
        ),
        errors=errors,
    )


def _told(point: StartingPoint, subject: Subject) -> str:
    """Its label, and its base model where the form's is another one until it is changed."""
    return point.label if point.base_model == subject.base_model else f"{point.label}, of {point.base_model}"


def _recipe(recipes: Sequence[Recipe], given: Any, errors: tuple[str, ...], limits: str) -> Input:
    value = value_label(given) or recipes[0].name
    return Input(
        prefix=FORM_PREFIX,
        name=RECIPE,
        label="Recipe",
        help=f"What drives the trainer once it runs. {limits}".rstrip(),
        value=value,
        default=recipes[0].name,
        options=options_of(((each.name, f"{each.name} ({each.label})") for each in recipes), value, odd="not offered"),
        errors=errors,
    )
