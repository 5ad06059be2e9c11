"""What differs between versions and between shapes, field by field. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from catalog.enums import MODE_LABELS
from catalog.fields.launch_fields import LaunchField
from catalog.fields.narrowing import NARROWED
from catalog.fields.recipe_fields import recipe_fields
from catalog.fields.snapshot_fields import EVERY_FIELD, SnapshotField, value_of
from catalog.fields.snapshots import Snapshot
from catalog.fields.texts import part_text
from catalog.labels import accelerator_label, context_label, parameter_label
from connections.providers.spec import TrainerMode

UNKNOWN = "unspecified"
ABSENT = "not offered"
NOTHING = "none"


@dataclass(frozen=True)
class FieldDifference:
    """One field of several versions side by side; `values` are in words, one a version.

    `key` is the field's path: `accelerator_count`, or `launch_fields.lora_rank.maximum`.
    """

    group: str
    key: str
    label: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether not all of them are the same."""
        return len(set(self.values)) > 1


def compare(versions: Sequence[tuple[Snapshot, Sequence[LaunchField]]]) -> list[FieldDifference]:
    """Every field of the versions, in the order of the editor; then every property of every launch field.

    The figures that follow from others (GPUs in all) are left out, since they differ only where those do.
    """
    snapshots = [snapshot for snapshot, _ in versions]
    kinds = {snapshot.kind for snapshot in snapshots}
    lines = [
        FieldDifference(
            field.group, field.key, field.label, tuple(written(field, value_of(s, field.key)) for s in snapshots)
        )
        for field in EVERY_FIELD
        if field.kinds & kinds
    ]
    offered = [{field.name: field for field in fields} for _, fields in versions]
    by_name = {name: field for fields in reversed(offered) for name, field in fields.items()}
    names = list(dict.fromkeys(name for fields in offered for name in fields))
    for name in names:
        usual = recipe_fields().get(name)  # where a version does not narrow it
        lines += _launch_field_lines(by_name[name].label, name, [fields.get(name, usual) for fields in offered])
    return lines


def differences(
    before: tuple[Snapshot, Sequence[LaunchField]], after: tuple[Snapshot, Sequence[LaunchField]]
) -> list[FieldDifference]:
    """The lines that differ between two versions."""
    same = set(before[1]) & set(after[1])  # nothing of which need be put in words
    versions = [(snapshot, [field for field in fields if field not in same]) for snapshot, fields in (before, after)]
    return [line for line in compare(versions) if line.differs]


def written(field: SnapshotField, value: Any) -> str:
    """A value of a snapshot in words, exact."""
    if value is None or value == "":
        return UNKNOWN
    if field.key == "trainer_mode":
        return MODE_LABELS[TrainerMode(value)]
    if field.key == "max_supported_context_length":
        return f"{value:,} tokens ({context_label(value)})"
    if field.key == "parameter_count":
        return f"{value:,} ({parameter_label(value)})"
    if field.key == "accelerator_type":
        return accelerator_label(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _apart(str(value), UNKNOWN)


def _launch_field_lines(label: str, name: str, offered: Sequence[LaunchField | None]) -> list[FieldDifference]:
    group = "Launch fields"
    if not all(offered):
        values = tuple("offered" if field else ABSENT for field in offered)
        return [FieldDifference(group, f"launch_fields.{name}", label, values)]
    return [
        FieldDifference(
            group,
            f"launch_fields.{name}.{part}",
            f"{label}: {part}",
            tuple(_property(field, part) for field in offered if field),
        )
        for part in NARROWED
        if any(getattr(field, part) not in (None, "", ()) for field in offered)
    ]


def _property(field: LaunchField, part: str) -> str:
    return _apart(part_text(field, part), NOTHING) or NOTHING


def _apart(text: str, word: str) -> str:
    """The text, in quotes where it is the word that says that there is none."""
    return f'"{text}"' if text == word else text
