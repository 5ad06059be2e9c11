"""Read a catalog document (YAML) into values: one reader with one schema, for the bundled catalog and for others.

Strict: an unknown key, a wrong type or a figure out of range is an error with its line and field, and all errors of a
document are told at once. Pure: text in, values out.

    account: fireworks            # its owner; every model and shape belongs to it
    display_name: Fireworks       # optional
    public: true                  # optional, false by default: whether everybody may see and use the shapes
    models:
      - model: accounts/fireworks/models/qwen3-8b
        title, family             # texts
        section, architecture, model_type, parameter_count   # optional
        shapes:
          - id, trainer_mode, max_supported_context_length   # tokens
            gpus                  # per node; 8 where only nodes is given
            nodes                 # optional, 1 by default
            label, description, id_source, context_label, accelerator_type, weight_precision, image_tag,
            deployment_shape_version, deployment_image_tag, parallelism, launch_fields      # optional
"""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from catalog.document_nodes import Problem, Record, Reporter
from catalog.enums import AcceleratorType, Architecture, IdSource, TrainerMode, WeightPrecision
from catalog.labels import context_label
from catalog.launch_fields import LaunchField, common_fields, narrow
from catalog.snapshots import ShardingScheme, Snapshot
from wire import names

GPUS_PER_NODE = 8
MAX_GPUS = 1024
MAX_NODES = 1024
MAX_TOKENS = 100_000_000


class DocumentError(Exception):
    """The document cannot be loaded; `problems` says what is wrong, where, and what to write instead."""

    def __init__(self, source: str, problems: list[Problem]) -> None:
        ordered = sorted(problems, key=lambda problem: problem.line)
        super().__init__("\n".join(f"{source}:{problem.line}: {problem.field}: {problem.text}" for problem in ordered))
        self.problems = ordered


@dataclass(frozen=True)
class ShapeEntry:
    """One shape of a document, as the next version would freeze it."""

    shape_id: str
    id_source: IdSource
    snapshot: Snapshot
    launch_fields: tuple[LaunchField, ...]


@dataclass(frozen=True)
class ModelEntry:
    """One base model of a document, with its shapes in order."""

    model_id: str
    title: str
    family: str
    section: str
    architecture: Architecture | None
    model_type: str | None
    parameter_count: int | None
    shapes: tuple[ShapeEntry, ...]


@dataclass(frozen=True)
class Document:
    """A whole document, models in order."""

    account_id: str
    display_name: str
    public: bool
    models: tuple[ModelEntry, ...]


def read_document(text: str, *, source: str) -> Document:
    """The document in `text`; `source` (a file's name) stands before every error. Errors: `DocumentError`."""
    report = Reporter()
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DocumentError(source, [Problem(line, "document", f"not YAML: {error.problem}")]) from None
    except yaml.YAMLError as error:
        raise DocumentError(source, [Problem(1, "document", f"not YAML: {error}")]) from None
    document = _document(Record(root, "document", report))
    if report.problems or document is None:
        raise DocumentError(source, report.problems)
    return document


def _document(record: Record) -> Document | None:
    account = record.identifier("account")
    display_name = record.text("display_name", longest=63, default="")
    public = record.flag("public", default=False)
    models = tuple(_model(entry, account) for entry in record.records("models"))
    record.finish()
    record.unique("models", [model.model_id for model in models], "model")
    record.unique("models", [shape.shape_id for model in models for shape in model.shapes], "shape")
    return Document(account_id=account, display_name=display_name or account, public=public, models=models)


def _model(record: Record, account: str) -> ModelEntry:
    name = record.text("model", longest=200)
    parsed = names.parse_model_name(name)
    if name and parsed is None:
        record.wrong("model", f"{name!r} is no resource name; use {names.model_name(account or 'ACCOUNT', 'MODEL')}")
    elif parsed and account and parsed[0] != account:
        record.wrong(
            "model", f"{name!r} belongs to {parsed[0]}; a document describes models of its own account, {account}"
        )
    model_type = record.maybe_text("model_type", longest=63)
    parameters = record.maybe_whole("parameter_count", least=1, most=10**15)
    model = ModelEntry(
        model_id=parsed[1] if parsed else "",
        title=record.text("title", longest=120),
        family=record.text("family", longest=63),
        section=record.text("section", longest=120, default=""),
        architecture=record.maybe_choice("architecture", Architecture),
        model_type=model_type,
        parameter_count=parameters,
        shapes=tuple(_shape(entry, account, name, model_type, parameters) for entry in record.records("shapes")),
    )
    record.finish()
    return model


def _shape(record: Record, account: str, model: str, model_type: str | None, parameters: int | None) -> ShapeEntry:
    shape_id = record.identifier("id")
    mode = record.choice("trainer_mode", TrainerMode)
    tokens = record.whole("max_supported_context_length", least=1, most=MAX_TOKENS)
    label = record.maybe_text("context_label", longest=12)
    if label and tokens and label != context_label(tokens):
        record.wrong("context_label", f"{label!r} does not fit {tokens} tokens, which are {context_label(tokens)}")
    nodes = record.maybe_whole("nodes", least=1, most=MAX_NODES)
    gpus = record.whole("gpus", least=0, most=MAX_GPUS, default=GPUS_PER_NODE if nodes else None)
    snapshot = Snapshot(
        name=names.shape_name(account, shape_id),
        base_model=model,
        trainer_mode=mode,
        max_supported_context_length=tokens,
        accelerator_count=gpus,
        node_count=nodes or 1,
        display_name=record.text("label", longest=63, default=""),
        description=record.text("description", longest=2000, default=""),
        model_type=model_type,
        parameter_count=parameters,
        accelerator_type=record.maybe_choice("accelerator_type", AcceleratorType),
        trainer_sharding_scheme=_parallelism(record),
        base_model_weight_precision=record.maybe_choice("weight_precision", WeightPrecision),
        trainer_image_tag=record.maybe_text("image_tag", longest=200),
        deployment_shape_version=record.maybe_text("deployment_shape_version", longest=300),
        deployment_image_tag=record.maybe_text("deployment_image_tag", longest=200),
    )
    source = record.maybe_choice("id_source", IdSource) or IdSource.OWN
    fields = _launch_fields(record, mode)
    record.finish()
    return ShapeEntry(shape_id=shape_id, id_source=source, snapshot=snapshot, launch_fields=fields)


def _parallelism(record: Record) -> ShardingScheme | None:
    inner = record.maybe_record("parallelism")
    if inner is None:
        return None
    degrees = {
        f"{kind}_parallelism": inner.whole(kind, least=1, most=MAX_GPUS, default=1)
        for kind in ("tensor", "pipeline", "context", "expert")
    }
    scheme = ShardingScheme(**degrees, sequence_parallelism=inner.flag("sequence", default=False))
    inner.finish()
    return scheme


def _launch_fields(record: Record, mode: TrainerMode) -> tuple[LaunchField, ...]:
    fields = common_fields(mode)
    changes = record.maybe_plain("launch_fields")
    if changes is None:
        return fields
    known = [field.name for field in fields]
    if unknown := sorted(str(name) for name in set(changes) - set(known)):
        record.wrong("launch_fields", f"{', '.join(unknown)} cannot be set for {mode}; there are {', '.join(known)}")
        return fields
    try:
        return narrow(fields, changes)
    except (ValueError, TypeError) as error:
        record.wrong("launch_fields", str(error))
        return fields
