"""Models that people made, side by side, line by line."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.template.defaultfilters import filesizeformat

from catalog.fields.differences import NOTHING, UNKNOWN, FieldDifference
from catalog.fields.launch_fields import PLACES, FieldType, LaunchField, every_field
from catalog.labels import duration_label, parameter_label, value_label
from catalog.models import TrainedModel
from catalog.states import ModelKind
from connections.providers.spec import NO_RECIPE, TrainerSpec
from launches.models import Launch
from launches.pages.models import KIND_LABELS

MOST_FILES = 100
SHORT = 12
"""Characters of a digest that are shown."""
GONE = "the launch is gone"
SAID_ALREADY = frozenset({"base_model", "display_name"})
"""Launch fields that a model says by itself, or that say nothing about it."""


def compare_models(models: Sequence[TrainedModel], launches: Mapping[str, Launch]) -> list[FieldDifference]:
    """What they are, how their launches (by uid) were set, and whether their files are the same."""
    said = [_said(model) for model in models]
    set_up = [_settings(launches.get(str(model.provenance.get("launch_uid")))) for model in models]
    lines = [*_lines("What it is", said), *_lines("Launch", set_up, missing=GONE)]
    return [*lines, *_files([{file.path: file.sha256 for file in model.contents} for model in models])]


def _said(model: TrainedModel) -> dict[str, Any]:
    noted, size = model.provenance, model.size_bytes
    count = model.parameter_count
    return {
        "Kind": KIND_LABELS[ModelKind(model.kind)],
        "Trained from": model.base_model,
        "Began with": model.root_model,
        "Model type": model.model_type or UNKNOWN,
        "Parameters of the base": parameter_label(count) if count else UNKNOWN,
        "LoRA rank": model.lora_rank or NOTHING,
        "LoRA alpha": noted.get("lora_alpha") or NOTHING,
        "Modules": ", ".join(model.target_modules) or NOTHING,
        "Merged": f"from an adapter of rank {noted.get('lora_rank')}" if model.merged_from else NOTHING,
        "Precision": noted.get("precision") or UNKNOWN,
        "Size": f"{filesizeformat(size)} ({size:,} bytes)",
        "Made by launch": noted.get("launch") or UNKNOWN,
        "Shape version": noted.get("shape_version") or UNKNOWN,
        "Checkpoint": model.checkpoint,
        "Step": noted.get("step", UNKNOWN),
        "Promoted": f"{model.created_at:%Y-%m-%d %H:%M} UTC",
        "By": noted.get("by") or UNKNOWN,
    }


def _settings(launch: Launch | None) -> dict[str, Any]:
    """What the launch was told, and how it did; empty where it is gone."""
    if launch is None:
        return {}
    spec = TrainerSpec.from_json(launch.spec)
    fields = [field for name, field in every_field().items() if name not in SAID_ALREADY]
    return {
        **{field.label: _written(field, getattr(spec, PLACES[field.name].spec)) for field in fields},
        "Recipe": NOTHING if spec.recipe == NO_RECIPE else spec.recipe,
        "Continued from": spec.continue_from or NOTHING,
        "Context": f"{spec.max_context_length:,} tokens",
        "Ran on": str(launch.connection),
        "Last loss": UNKNOWN if launch.last_loss is None else f"{launch.last_loss:.4f}",
    }


def _written(field: LaunchField, value: Any) -> str:
    if value in (None, ""):
        return NOTHING
    return duration_label(value) if field.type is FieldType.DURATION else value_label(value)


def _lines(group: str, columns: Sequence[Mapping[str, Any]], *, missing: str = UNKNOWN) -> Iterator[FieldDifference]:
    for label in dict.fromkeys(label for column in columns for label in column):
        values = tuple(str(column.get(label, missing)) for column in columns)
        yield FieldDifference(group, f"{group}: {label}", label, values)


def _files(columns: Sequence[Mapping[str, str]]) -> Iterator[FieldDifference]:
    """By path the beginning of each digest, before them that of all; of very many files the first."""
    whole = [hashlib.sha256(repr(sorted(column.items())).encode()).hexdigest() for column in columns]
    known = zip(whole, columns, strict=True)
    told = tuple(each[:SHORT] if column else UNKNOWN for each, column in known)  # of what lives elsewhere nobody knows
    yield FieldDifference("Files", "files", "All files", told)
    for path in sorted({path for column in columns for path in column})[:MOST_FILES]:
        digests = tuple(column[path][:SHORT] if path in column else NOTHING for column in columns)
        yield FieldDifference("Files", f"files: {path}", path, digests)
