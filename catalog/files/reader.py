"""Read a catalog document (YAML) into values: one reader with one schema, for the bundled catalog and for others.

Strict: an unknown key, a wrong type or a figure out of range is an error with its line and field, and all errors of a
document are told at once. Pure: text in, values out. docs/CATALOG.md explains every key.

    account: fireworks            # its owner; every shape belongs to it
    display_name: Fireworks       # optional; of the account
    public: true                  # optional, false by default: whether everybody may see and use the shapes
    models:
      - model: accounts/fireworks/models/qwen3-8b
        title, family             # texts; of a model of another account only `model` and `shapes` are written
        section, architecture, model_type, parameter_count, aliases, named_here   # optional
        shapes:
          - id, trainer_mode, max_supported_context_length   # tokens
            gpus                  # per node; 8 where only nodes is given
            nodes                 # optional, 1 by default
            label, description, id_source, context_label, accelerator_type, weight_precision, image_tag,
            deployment_shape_version, deployment_image_tag, parallelism, launch_fields      # optional
            model_type, parameter_count                      # optional, the model's by default
            deprecated: {message, successor}                 # optional; successor is a shape's resource name
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from catalog.enums import Architecture, IdSource
from catalog.fields.checks import problems
from catalog.fields.launch_fields import FieldType, every_field
from catalog.fields.narrowing import Changes, FittedFields, newest_fit
from catalog.fields.snapshot_fields import FIELDS, MAX_PARAMETERS, SCHEME, SCHEME_FIELDS, SnapshotField, ValueKind
from catalog.fields.snapshots import Snapshot
from catalog.fields.values import kept
from catalog.files.document import Deprecation, Document, ModelEntry, ModelFacts, ShapeEntry
from catalog.files.nodes import Record
from catalog.files.problems import DocumentError, Enough, Reporter
from catalog.files.scan import compose, decode
from catalog.labels import context_label
from connections.providers.spec import ShardingScheme, TrainerMode
from wire import names

GPUS_PER_NODE = 8
LONGEST_MESSAGE = 500
MOST_ALIASES = 20
KEYS = {field.head: field.in_file.partition(".")[0] for field in FIELDS if not field.fixed}
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
    account = record.identifier("account")
    display_name = record.text("display_name", longest=63, default="")
    public = record.flag("public", default=False)
    models = tuple(_model(entry, account, report) for entry in record.records("models", least=0))
    record.finish()
    document = Document(account, display_name, public, models, record.place)
    report.note_repeated("model", [(model.name, model.place) for model in models])
    report.note_repeated("id", [(shape.shape_id, shape.place) for shape in document.shapes])
    return document


def _model(record: Record, account: str, report: Reporter) -> ModelEntry:
    name = record.text("model", longest=200)
    parsed = names.parse_model_name(name)
    if name and (sentence := names.refuse_name(name, names.MODEL_FORM)):
        record.wrong("model", sentence)
    facts = None
    if parsed and parsed[0] != account:
        _refuse_facts(record, account, name)
    else:
        facts = _facts(record)
    shapes = tuple(_shape(entry, account, name, facts, report) for entry in record.records("shapes", least=1))
    record.finish()
    return ModelEntry(name=name, facts=facts, shapes=shapes, place=record.place)


def _facts(record: Record) -> ModelFacts:
    return ModelFacts(
        title=record.text("title", longest=120),
        family=record.text("family", longest=63),
        section=record.text("section", longest=120, default=""),
        architecture=record.maybe_choice("architecture", Architecture),
        model_type=record.maybe_text("model_type", longest=63),
        parameter_count=record.maybe_whole("parameter_count", least=1, most=MAX_PARAMETERS),
        aliases=record.texts("aliases", longest=120, most=MOST_ALIASES),
        named_here=record.flag("named_here", default=False),
    )


def _refuse_facts(record: Record, account: str, name: str) -> None:
    """Note the facts of another account's model, which this document cannot state."""
    sentence = f"{name} is another account's, which says this of it; delete it, {account} writes its shapes only"
    for fact in fields(ModelFacts):
        if record.has(fact.name):
            record.wrong(fact.name, sentence)


def _shape(record: Record, account: str, model: str, facts: ModelFacts | None, report: Reporter) -> ShapeEntry:
    before = len(report.problems)
    shape_id = record.identifier("id")
    owned = {field.key: _owned(record, field, facts) for field in FIELDS if field.head == field.key and not field.fixed}
    mode, tokens = owned["trainer_mode"], owned["max_supported_context_length"]
    label = record.maybe_text("context_label", longest=12)
    if label and tokens and label != context_label(tokens):
        record.wrong("context_label", f"{label!r} does not fit {tokens} tokens, which are {context_label(tokens)}")
    snapshot = Snapshot(
        name=names.shape_name(account, shape_id),
        base_model=model,
        trainer_sharding_scheme=_parallelism(record),
        **owned,
    )
    source = record.maybe_choice("id_source", IdSource) or IdSource.OWN
    changes, fit = _launch_fields(record, mode, report)
    deprecated = _deprecated(record, snapshot.name)
    record.finish()
    if len(report.problems) == before:  # stand-ins of what is wrong would only lead to more
        for found in problems(snapshot, fit.fields, fit.edition):
            record.wrong(KEYS.get(found.field, found.field), found.description)
    return ShapeEntry(shape_id, source, snapshot, fit.fields, deprecated, record.place, fit.edition, changes)


def usual(field: SnapshotField, facts: ModelFacts | None) -> Any:
    """What a shape of the model has where the document does not write the field."""
    if field.key == "node_count":
        return 1
    return getattr(facts, field.key, field.unset) if facts else field.unset


def _owned(record: Record, field: SnapshotField, facts: ModelFacts | None) -> Any:
    """What the record says of the field, or else what is usual."""
    key, most = field.in_file.rpartition(".")[2], field.maximum or 0
    default = usual(field, facts)
    if field.kind is ValueKind.FLAG:
        return record.flag(key, default=default)
    if not record.has(key) and default is not None:
        return default
    if field.kind is ValueKind.CHOICE:
        return record.maybe_choice(key, field.enumeration) if field.optional else record.choice(key, field.enumeration)
    if field.kind is ValueKind.TEXT and field.unset is None:
        return record.maybe_text(key, longest=most)
    if field.kind is ValueKind.TEXT:
        return record.text(key, longest=most, default=field.unset, lines=field.lines)
    if field.unit == "tokens":
        return record.tokens(key, most=most)
    least = field.minimum or 0
    if field.optional and field.unset is None:
        return record.maybe_whole(key, least=least, most=most)
    if field.key == "accelerator_count" and record.has_value("nodes"):
        default = GPUS_PER_NODE
    return record.whole(key, least=least, most=most, default=default)


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
    known = every_field()
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


def _deprecated(record: Record, own: str) -> Deprecation | None:
    inner = record.maybe_record("deprecated")
    if inner is None:
        return None
    message = inner.text("message", longest=LONGEST_MESSAGE, lines=True).strip()
    successor = inner.text("successor", longest=200, default="")
    if successor and (sentence := names.refuse_name(successor, names.SHAPE_FORM)):
        inner.wrong("successor", sentence)
    elif successor and successor == own:
        inner.wrong("successor", f"{successor} is this shape itself; name another one")
    inner.finish()
    return Deprecation(message, successor)
