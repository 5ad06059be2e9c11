"""The launch form: what was posted, read; and what is shown, field by field. Pure.

The meaning of the values is `launches.resolve`'s alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.fields.launch_fields import FieldType, LaunchField
from catalog.fields.texts import limits_text
from catalog.labels import value_label
from catalog.text_rules import shortened
from launches.providers.base import Recipe
from launches.resolve import RECIPE, Subject
from wire.errors import Violation, capped

OWN_NAMES = frozenset({"account", "csrfmiddlewaretoken", "decided", "idempotency_key", "latest", "version"})
"""Fields of the form that are not inputs of the launch."""

_KEYBOARDS = {FieldType.INTEGER: "numeric", FieldType.NUMBER: "decimal"}
_PLACEHOLDERS = {"display_name": "A name to find it by", "region": "chosen by the provider"}
_OPTIONAL = frozenset({"display_name", "region"})


@dataclass(frozen=True)
class Option:
    """One choice of a select."""

    value: str
    label: str


@dataclass(frozen=True)
class FormField:
    """One field as the template shows it. With `options` it is a select, else a text input.

    `default` is what stands in it where nobody has set anything.
    """

    name: str
    label: str
    help: str
    value: str
    default: str = ""
    limits: str = ""
    placeholder: str = ""
    keyboard: str = "text"
    optional: bool = False
    options: tuple[Option, ...] = ()
    suggestions: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


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
) -> tuple[FormField, ...]:
    """The editable fields of the version, then the recipe where the provider offers any, with what stands in them."""
    errors: dict[str, list[str]] = {}
    for violation in violations:
        errors.setdefault(violation.field, []).append(violation.description)
    fields = [_field(field, subject, inputs, tuple(errors.get(field.name, ()))) for field in subject.fields]
    if recipes:
        fields.append(_recipe(recipes, inputs.get(RECIPE), tuple(errors.get(RECIPE, ()))))
    return tuple(fields)


def _field(field: LaunchField, subject: Subject, inputs: Mapping[str, Any], errors: tuple[str, ...]) -> FormField:
    default = subject.snapshot.base_model if field.type is FieldType.MODEL else field.default
    value = value_label(inputs.get(field.name, default))
    choices = subject.fitting_models if field.type is FieldType.MODEL else field.choices
    return FormField(
        name=field.name,
        label=field.label,
        help=field.help,
        value=value,
        default=value_label(default),
        limits=limits_text(field),
        placeholder=_PLACEHOLDERS.get(field.name, f"default {value_label(default)}"),
        keyboard=_KEYBOARDS.get(field.type, "text"),
        optional=field.name in _OPTIONAL,
        options=_options([Option(value_label(choice), value_label(choice)) for choice in choices], value),
        suggestions=tuple(value_label(suggestion) for suggestion in field.suggestions),
        errors=errors,
    )


def _recipe(recipes: Sequence[Recipe], given: Any, errors: tuple[str, ...]) -> FormField:
    value = value_label(given) or recipes[0].name
    return FormField(
        name=RECIPE,
        label="Recipe",
        help="What drives the trainer once it runs.",
        value=value,
        default=recipes[0].name,
        options=_options([Option(recipe.name, f"{recipe.name} ({recipe.label})") for recipe in recipes], value),
        errors=errors,
    )


def _options(options: list[Option], value: str) -> tuple[Option, ...]:
    """The choices, and what was sent where it is none of them, so that it stays to be seen."""
    if options and value not in {option.value for option in options}:
        options = [Option(value, f"{value} (not offered)"), *options]
    return tuple(options)
