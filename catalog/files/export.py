"""Write a catalog document that `catalog.files.reader` reads back to the same values. Pure: values in, text out.

The same document is the same bytes: keys in one order, what is unknown or the default left out.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import yaml

from catalog.enums import IdSource
from catalog.fields.narrowing import changes_of
from catalog.fields.snapshot_fields import FIELDS_OF, SCHEME, SCHEME_FIELDS, value_of
from catalog.files.document import Document, ModelEntry, ModelFacts, ShapeEntry
from catalog.files.reader import KEYS, LISTS, usual
from catalog.files.yaml_readings import stays_text

_FIRST = (
    *("display_name", "description", "trainer_mode", "max_supported_context_length", "accelerator_count", "node_count"),
    *("accelerator_type", "base_model_weight_precision", "trainer_image_tag", "trainer_sharding_scheme"),
    *("deployment_shape_version", "deployment_image_tag", "model_type", "parameter_count"),
)
"""What a shape says first; all else of its table follows."""


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Writes no aliases, and texts of several lines in quotes, which keep every space."""

    def ignore_aliases(self, _: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Bare only where every reader of YAML or JSON takes it for a text."""
    style = '"' if not text.isprintable() else None if stays_text(text) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def write_document(document: Document) -> str:
    """The document's text. Models without shapes are left out."""
    plain = {
        "account": document.account_id,
        **({"display_name": document.display_name} if document.display_name else {}),
        "public": document.public,
        "models": [_model(model) for model in document.models if model.shapes],
    }
    return yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**31 - 1)


def _model(model: ModelEntry) -> dict[str, Any]:
    facts = _facts(model.facts) if model.facts else {}
    kinds = {LISTS[kind]: [shape for shape in model.shapes if shape.snapshot.kind is kind] for kind in LISTS}
    lists = {key: [_shape(shape, model.facts) for shape in shapes] for key, shapes in kinds.items() if shapes}
    return {"model": model.name, **facts, **lists}


def _facts(facts: ModelFacts) -> dict[str, Any]:
    said = ((fact, getattr(facts, fact.name)) for fact in fields(ModelFacts))
    return {fact.name: _plain(value) for fact, value in said if value != fact.default}


def _shape(shape: ShapeEntry, facts: ModelFacts | None) -> dict[str, Any]:
    plain: dict[str, Any] = {"id": shape.shape_id}
    if shape.id_source is not IdSource.OWN:
        plain["id_source"] = str(shape.id_source)
    if shape.version_id:
        plain["version"] = shape.version_id
    own = FIELDS_OF[shape.snapshot.kind]
    owned = {field.key: field for field in own if field.head == field.key and not field.fixed}
    for key in dict.fromkeys((*_FIRST, *owned)):
        value = value_of(shape.snapshot, key)
        if key == SCHEME and value is not None:
            plain[KEYS[key]] = {
                field.in_file.rpartition(".")[2]: value_of(shape.snapshot, field.key) for field in SCHEME_FIELDS
            }
        elif key in owned and value != usual(owned[key], facts):
            plain[KEYS[key]] = _plain(value)
    if changes := _launch_fields(shape):
        plain["launch_fields"] = changes
    if shape.deprecated:
        successor = {"successor": shape.deprecated.successor} if shape.deprecated.successor else {}
        plain["deprecated"] = {"message": shape.deprecated.message, **successor}
    return plain


def _launch_fields(shape: ShapeEntry) -> dict[str, Any]:
    """What was narrowed; null for a field that is not offered."""
    changes = changes_of(shape.snapshot.trainer_mode, shape.edition, shape.launch_fields)
    return {name: change and {part: _plain(said) for part, said in change.items()} for name, change in changes.items()}


def _plain(value: Any) -> Any:
    """As YAML has it: a choice as its text, several values as a list."""
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, str) else value
