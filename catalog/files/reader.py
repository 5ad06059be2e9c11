"""Read a catalog document (YAML) into values: one reader with one schema, for the bundled catalog and for others.

Strict: an unknown key, a wrong type or a figure out of range is an error with its line and field, and all errors of a
document are told at once. Pure: text in, values out. docs/CATALOG.md shows a document and explains every key.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from catalog.enums import Architecture, IdSource, ShapeKind
from catalog.fields.checks import problems
from catalog.fields.launch_fields import FieldType, every_field
from catalog.fields.narrowing import Changes, FittedFields, newest_fit
from catalog.fields.recipe_fields import recipe_fields
from catalog.fields.snapshot_fields import (
    EVERY_FIELD,
    FIELDS_OF,
    MAX_PARAMETERS,
    SCHEME,
    SCHEME_FIELDS,
    SnapshotField,
    ValueKind,
)
from catalog.fields.snapshots import Snapshot
from catalog.fields.values import kept
from catalog.files.document import Deprecation, Document, ModelEntry, ModelFacts, ShapeEntry
from catalog.files.kinds import FLAG, ScalarKind, choice, text, tokens, whole
from catalog.files.nodes import REQUIRED, Record
from catalog.files.problems import DocumentError, Enough, Reporter
from catalog.files.scan import compose, decode
from catalog.labels import context_label
from connections.providers.spec import ShardingScheme, TrainerMode
from wire import names

GPUS_PER_NODE = 8
LONGEST_MESSAGE = 500
MOST_ALIASES = 20
LISTS = {ShapeKind.TRAINING: "shapes", ShapeKind.DEPLOYMENT: "deployment_shapes"}
"""Where a model of the document has its shapes of each kind."""
KEYS = {field.head: field.in_file.partition(".")[0] for field in EVERY_FIELD if not field.fixed}
"""The document's key for each of a snapshot's fields, where it has one."""


def read_file(data: bytes, *, source: str) -> Document:
    """The document in a file's bytes, of which `read_limited` gives no more than needed. Errors: `DocumentError`."""
    return read_document(decode(data, source=source), source=source)


def read_document(text: str, *, source: str) -> Document:
    """The document in `text`; `source` (a file's name) stands before every error. Errors: `DocumentError`."""
    report = Reporter()
    root = compose(text, source=source)
    try:
        document = _document(Record(root, "document", report), report)
    except Enough:
        raise DocumentError(source, report.problems, unread=True) from None
    if report.problems:
        raise DocumentError(source, report.problems)
    return document


def _document(record: Record, report: Reporter) -> Document:
    account = record.named("account", names.refuse_id)
    display_name = record.take("display_name", text(63), "")
    public = record.take("public", FLAG, False)
    models = tuple(_model(entry, account, report) for entry in record.records("models", least=0))
    record.finish()
    document = Document(account, display_name, public, models, record.place)
    report.note_repeated("model", [(model.name, model.place) for model in models])
    report.note_repeated("id", [(shape.shape_id, shape.place) for shape in document.shapes])
    return document


def _model(record: Record, account: str, report: Reporter) -> ModelEntry:
    name = record.named("model", lambda name: names.refuse_name(name, names.MODEL_FORM))
    parsed = names.parse_model_name(name)
    facts = None
    if parsed and parsed[0] != account:
        _refuse_facts(record, account, name)
    else:
        facts = _facts(record)
    least = {ShapeKind.TRAINING: 0 if record.has(LISTS[ShapeKind.DEPLOYMENT]) else 1, ShapeKind.DEPLOYMENT: 0}
    shapes = tuple(
        _shape(entry, account, name, facts, report, kind)
        for kind, key in LISTS.items()
        for entry in (record.records(key, least=least[kind]) if least[kind] or record.has(key) else ())
    )
    record.finish()
    return ModelEntry(name=name, facts=facts, shapes=shapes, place=record.place)


def _facts(record: Record) -> ModelFacts:
    return ModelFacts(
        title=record.take("title", text(120)),
        family=record.take("family", text(63)),
        section=record.take("section", text(120), ""),
        architecture=record.take("architecture", choice(Architecture), None),
        model_type=record.take("model_type", text(63, empty=True), None),
        parameter_count=record.take("parameter_count", whole(1, MAX_PARAMETERS), None),
        aliases=record.texts("aliases", text(120), most=MOST_ALIASES),
        named_here=record.take("named_here", FLAG, False),
    )


def _refuse_facts(record: Record, account: str, name: str) -> None:
    """Note the facts of another account's model, which this document cannot state."""
    sentence = f"{name} is another account's, which says this of it; delete it, {account} writes its shapes only"
    for fact in fields(ModelFacts):
        if record.has(fact.name):
            record.wrong(fact.name, sentence)


def _shape(
    record: Record, account: str, model: str, facts: ModelFacts | None, report: Reporter, kind: ShapeKind
) -> ShapeEntry:
    before = len(report.problems)
    shape_id = record.named("id", names.refuse_id)
    trains, fields_here = kind is ShapeKind.TRAINING, FIELDS_OF[kind]
    owned = {
        field.key: _owned(record, field, facts) for field in fields_here if field.head == field.key and not field.fixed
    }
    mode, context = owned.pop("trainer_mode", None), owned["max_supported_context_length"]
    label = record.take("context_label", text(12, empty=True), None)
    if label and context and label != context_label(context):
        record.wrong("context_label", f"{label!r} does not fit {context} tokens, which are {context_label(context)}")
    snapshot = Snapshot(
        name=names.shape_name(account, shape_id, kind.collection),
        base_model=model,
        trainer_mode=mode,
        trainer_sharding_scheme=_parallelism(record) if trains else None,
        **owned,
    )
    source = record.take("id_source", choice(IdSource), IdSource.OWN)
    changes, fit = _launch_fields(record, mode, report) if trains else ({}, newest_fit(None, {}))
    version_id = "" if trains else record.named("version", names.refuse_version_id, "")
    deprecated = _deprecated(record, snapshot.name, kind)
    record.finish()
    if len(report.problems) == before:  # stand-ins of what is wrong would only lead to more
        for found in problems(snapshot, fit.fields, fit.edition):
            record.wrong(KEYS.get(found.field, found.field), found.description)
    return ShapeEntry(
        shape_id, source, snapshot, fit.fields, deprecated, record.place, fit.edition, changes, version_id
    )


def usual(field: SnapshotField, facts: ModelFacts | None) -> Any:
    """What a shape of the model has where the document does not write the field."""
    if field.key == "node_count":
        return 1
    return getattr(facts, field.key, field.unset) if facts else field.unset


def _kind(field: SnapshotField) -> ScalarKind[Any]:
    if field.kind is ValueKind.FLAG:
        return FLAG
    if field.kind is ValueKind.CHOICE:
        return choice(field.enumeration)
    most = field.maximum or 0
    if field.kind is ValueKind.TEXT:
        return text(most, lines=field.lines, empty=field.unset is None)
    return tokens(most) if field.unit == "tokens" else whole(field.minimum or 0, most)


_KINDS = {field.key: _kind(field) for field in EVERY_FIELD}


def _owned(record: Record, field: SnapshotField, facts: ModelFacts | None) -> Any:
    """What the record says of the field, or else what is usual; null says that nobody knows it."""
    key = field.in_file.rpartition(".")[2]
    default = field.unset if field.optional and record.has(key) else usual(field, facts)
    if field.key == "accelerator_count" and record.has_value("nodes"):
        default = GPUS_PER_NODE
    return record.take(key, _KINDS[field.key], REQUIRED if default is None and not field.optional else default)


def _parallelism(record: Record) -> ShardingScheme | None:
    inner = record.maybe_record(KEYS[SCHEME])
    if inner is None:
        return None
    degrees = {field.key.partition(".")[2]: _owned(inner, field, None) for field in SCHEME_FIELDS}
    inner.finish()
    return ShardingScheme(**degrees)


def _launch_fields(record: Record, mode: TrainerMode, report: Reporter) -> tuple[Changes, FittedFields]:
    """What the shape says of its launch fields, and what that makes of the newest common set that has all of it."""
    inner = record.maybe_record("launch_fields")
    if inner is None:
        return {}, newest_fit(mode, {})
    known = every_field() | recipe_fields(mode)
    changes: dict[str, dict[str, Any] | None] = {}
    for name in inner.all_keys():
        changes[name] = _change(inner, name, known[name].type, report) if name in known else {}
    fit = newest_fit(mode, changes)
    for found in fit.wrong:
        if not found.part:
            inner.wrong(found.name, found.sentence)
        elif change := inner.maybe_record(found.name):
            change.wrong(found.part, str(found))
    return changes, fit


def _change(fields: Record, name: str, kind: FieldType, report: Reporter) -> dict[str, Any] | None:
    """What is said of one field: None that it is not offered, nothing where it cannot be read."""
    if not fields.has_value(name):
        return None
    before = len(report.problems)
    change = fields.maybe_record(name)
    if change is None:
        return {}
    parts = {part: change.plain(part, number=kind is FieldType.NUMBER and part != "help") for part in change.all_keys()}
    if len(report.problems) > before:  # what could not be read is no None, of which there would be more to say
        return {}
    return {part: kept(kind, value) for part, value in parts.items()}


def _deprecated(record: Record, own: str, kind: ShapeKind) -> Deprecation | None:
    inner = record.maybe_record("deprecated")
    if inner is None:
        return None
    message = inner.take("message", text(LONGEST_MESSAGE, lines=True)).strip()
    form = names.SHAPE_FORM if kind is ShapeKind.TRAINING else names.DEPLOYMENT_SHAPE_FORM
    successor = inner.named("successor", lambda name: names.refuse_name(name, form), "")
    if successor and successor == own:
        inner.wrong("successor", f"{successor} is this shape itself; name another one")
    inner.finish()
    return Deprecation(message, successor)
