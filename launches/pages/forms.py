"""The launch form: what was posted, read; and what is shown, field by field. Pure.

The meaning of the values is `launches.resolve`'s alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from catalog.fields.inputs import Input, options_of
from catalog.fields.launch_fields import PLACES, FieldType, LaunchField
from catalog.fields.texts import limits_text
from catalog.labels import value_label
from catalog.text_rules import shortened
from connections.providers.base import Recipe
from launches.resolve import RECIPE, Subject
from wire.errors import Violation, capped

OWN_NAMES = frozenset({"account", "csrfmiddlewaretoken", "decided", "idempotency_key", "latest", "version"})
"""Fields of the form that are not inputs of the launch."""

PREFIX = "id_"
"""Of the ids of the form's inputs."""
_KEYBOARDS = {FieldType.INTEGER: "numeric", FieldType.NUMBER: "decimal"}


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


def form_fields(
    subject: Subject, recipes: Sequence[Recipe], inputs: Mapping[str, Any], violations: Sequence[Violation]
) -> tuple[Input, ...]:
    """The editable fields of the version, then the recipe where the provider offers any, with what stands in them."""
    errors: dict[str, list[str]] = {}
    for violation in violations:
        errors.setdefault(violation.field, []).append(violation.description)
    fields = [_input(field, subject, inputs, tuple(errors.get(field.name, ()))) for field in subject.fields]
    if recipes:
        fields.append(_recipe(recipes, inputs.get(RECIPE), tuple(errors.get(RECIPE, ()))))
    return tuple(fields)


def _input(field: LaunchField, subject: Subject, inputs: Mapping[str, Any], errors: tuple[str, ...]) -> Input:
    of_a_model = field.type is FieldType.MODEL
    default = subject.snapshot.base_model if of_a_model else field.default
    value = value_label(inputs.get(field.name, default))
    choices = [value_label(choice) for choice in (subject.fitting_models if of_a_model else field.choices)]
    return Input(
        prefix=PREFIX,
        name=field.name,
        label=field.label,
        help=field.help,
        value=value,
        default=value_label(default),
        limits=limits_text(field),
        placeholder=PLACES[field.name].placeholder or f"default {value_label(default)}",
        keyboard=_KEYBOARDS.get(field.type, "text"),
        optional=PLACES[field.name].optional,
        wide=of_a_model,
        options=options_of(zip(choices, choices, strict=True), value, odd="not offered"),
        suggestions=tuple(value_label(suggestion) for suggestion in field.suggestions),
        errors=errors,
    )


def _recipe(recipes: Sequence[Recipe], given: Any, errors: tuple[str, ...]) -> Input:
    value = value_label(given) or recipes[0].name
    return Input(
        prefix=PREFIX,
        name=RECIPE,
        label="Recipe",
        help="What drives the trainer once it runs.",
        value=value,
        default=recipes[0].name,
        options=options_of(((each.name, f"{each.name} ({each.label})") for each in recipes), value, odd="not offered"),
        errors=errors,
    )
