"""The editor's form as the template shows it: what stands in its inputs, and what is wrong with it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from catalog.enums import MODE_LABELS, ShapeKind
from catalog.fields.inputs import Input, Option, element_of, options_of
from catalog.fields.launch_fields import FieldType, LaunchField, common_fields, edition_fields, every_field
from catalog.fields.narrowing import parts_of
from catalog.fields.recipe_fields import is_of_recipe, recipe_fields
from catalog.fields.snapshot_fields import FIELDS_OF, FieldGroup, SnapshotField, ValueKind
from catalog.fields.texts import length_text, part_text
from catalog.labels import accelerator_label
from connections.providers.spec import TrainerMode
from publishing.content import LAUNCH_FIELDS, LISTS
from wire.errors import Violation

_PART_LABELS = {
    "default": "Default",
    "minimum": "At least",
    "maximum": "At most",
    "choices": "Only these values",
    "suggestions": "Suggestions",
    "help": "Help",
}
PREFIX = "edit-"
"""Of the ids of the editor's inputs."""
_LIMITED = {"minimum": "Shortest", "maximum": "Longest"}
_WIDE = frozenset({"display_name", "deployment_shape_version"})


@dataclass(frozen=True)
class Section:
    """The inputs of one group."""

    title: str
    inputs: tuple[Input, ...]


@dataclass(frozen=True)
class Narrowing:
    """One launch field in the editor: `absent` are the modes that do not have it, `summary` is what it offers.

    A recipe's parameter (`of_recipe`) is narrowed, and not left out.
    """

    name: str
    label: str
    offered: bool
    summary: str
    absent: tuple[str, ...]
    inputs: tuple[Input, ...]
    of_recipe: bool = False
    errors: tuple[str, ...] = ()

    @property
    def element(self) -> str:
        """The id of its box."""
        return element_of(PREFIX, f"{LAUNCH_FIELDS}.{self.name}")

    @property
    def wrong(self) -> bool:
        """Whether something in it cannot be used."""
        return bool(self.errors) or any(each.errors for each in self.inputs)


def sections(
    values: Mapping[str, str],
    violations: Sequence[Violation],
    *,
    base_model: str,
    kind: ShapeKind = ShapeKind.TRAINING,
) -> tuple[Section, ...]:
    """The inputs of everything that the shape owns, group by group; the base model is shown only."""
    errors = _by_field(violations)
    shown = {**values, "base_model": base_model}
    found = (
        Section(group, tuple(_input(field, shown, errors) for field in FIELDS_OF[kind] if field.group is group))
        for group in FieldGroup
    )
    return tuple(section for section in found if section.inputs)


def narrowings(
    values: Mapping[str, str], violations: Sequence[Violation], *, edition: int | None = None
) -> tuple[Narrowing, ...]:
    """The inputs of the launch fields of all modes; the style sheet hides those that the chosen mode does not have.

    `edition` is the one of the common fields that is narrowed, the newest unless told.
    """
    errors = _by_field(violations)
    fields = (*edition_fields(edition), *recipe_fields().values())
    return tuple(_narrowing(field, edition, values, errors) for field in fields)


def label_of(path: str) -> str:
    """The words for a launch field's part, such as `LoRA rank, at most` for `launch_fields.lora_rank.maximum`."""
    _, _, name = path.partition(".")
    known, part = every_field() | recipe_fields(), list[str]()
    if name not in known:
        name, _, last = name.rpartition(".")
        part.append(last)
    label = known[name].label if name in known else name
    words = [_PART_LABELS.get(each, each).lower() for each in part]
    return ", ".join([label, *words])


def _by_field(violations: Sequence[Violation]) -> dict[str, tuple[str, ...]]:
    errors: dict[str, tuple[str, ...]] = {}
    for violation in violations:
        errors[violation.field] = (*errors.get(violation.field, ()), violation.description)
    return errors


def _input(field: SnapshotField, values: Mapping[str, str], errors: Mapping[str, tuple[str, ...]]) -> Input:
    value = values.get(field.key, "")
    return Input(
        prefix=PREFIX,
        name=field.key,
        label=field.label,
        help=field.meaning,
        value=value,
        limits=_limits(field),
        keyboard="numeric" if field.kind is ValueKind.WHOLE and field.unit != "tokens" else "text",
        optional=field.optional and field.kind is not ValueKind.FLAG,
        flag=field.kind is ValueKind.FLAG,
        long=field.lines,
        wide=field.key in _WIDE or field.lines or field.fixed,
        locked=field.fixed,
        options=_options(field, value),
        errors=errors.get(field.key, ()),
    )


def _limits(field: SnapshotField) -> str:
    if field.kind is ValueKind.WHOLE:
        unit = "" if field.unit.lower() in field.label.lower() else field.unit
        return f"{field.minimum:,} to {field.maximum:,} {unit}".strip()
    return f"up to {field.maximum:,} characters" if field.kind is ValueKind.TEXT and field.maximum else ""


def _options(field: SnapshotField, value: str) -> tuple[Option, ...]:
    if field.kind is not ValueKind.CHOICE:
        return ()
    blank = [("", "unspecified")] if field.optional else []
    return options_of([*blank, *((each, _choice_label(field, each)) for each in field.choices)], value, odd="not known")


def _choice_label(field: SnapshotField, choice: str) -> str:
    if field.key == "trainer_mode":
        return MODE_LABELS[TrainerMode(choice)]
    return accelerator_label(choice) if field.key == "accelerator_type" else choice


def _narrowing(
    common: LaunchField, edition: int | None, values: Mapping[str, str], errors: Mapping[str, tuple[str, ...]]
) -> Narrowing:
    prefix = f"{LAUNCH_FIELDS}.{common.name}"
    inputs = tuple(_part_input(common, part, values, errors) for part in parts_of(common))
    return Narrowing(
        name=common.name,
        label=common.label,
        offered=prefix in values,
        summary=_summary(common, {each.name.rpartition(".")[2]: each.value for each in inputs}),
        absent=tuple(mode for mode in TrainerMode if common.name not in _names(mode, edition)),
        inputs=inputs,
        of_recipe=is_of_recipe(common),
        errors=errors.get(prefix, ()),
    )


def _names(mode: TrainerMode, edition: int | None) -> set[str]:
    return {field.name for field in common_fields(mode, edition)} | recipe_fields(mode).keys()


def _summary(common: LaunchField, values: Mapping[str, str]) -> str:
    if common.type is FieldType.MODEL:
        return "any model that fits"
    limits = values["choices"] or " to ".join(filter(None, (values["minimum"], values["maximum"])))
    if common.type is FieldType.TEXT and not values["choices"]:
        limits = length_text(values["minimum"], values["maximum"])
    default = values["default"] or ("the recipe's own" if is_of_recipe(common) else "empty")
    return f"{default} by default; {limits}"


def _part_input(
    common: LaunchField, part: str, values: Mapping[str, str], errors: Mapping[str, tuple[str, ...]]
) -> Input:
    name = f"{LAUNCH_FIELDS}.{common.name}.{part}"
    usual = part_text(common, part)
    text = common.type is FieldType.TEXT
    return Input(
        prefix=PREFIX,
        name=name,
        label=_LIMITED.get(part, _PART_LABELS[part]) if text else _PART_LABELS[part],
        help="Several values with commas between them." if part == "choices" else "",
        value=values.get(name, usual),
        placeholder=usual or _placeholder(common, part),
        optional=part in LISTS,
        long=part == "help",
        wide=part == "help",
        errors=errors.get(name, ()),
    )


def _placeholder(common: LaunchField, part: str) -> str:
    if is_of_recipe(common) and part in {"default", "help"}:
        return "the recipe's own"
    return "any" if part == "choices" else "none"
