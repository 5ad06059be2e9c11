"""Work out a plan: from what an account offers and what a document says to the steps between. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import Any

from catalog.enums import IdSource
from catalog.fields.differences import UNKNOWN, FieldDifference, compare, differences
from catalog.fields.launch_fields import common_fields
from catalog.fields.snapshots import canonical
from catalog.files.document import Deprecation, Document, ModelFacts, ShapeEntry
from catalog.files.plan import ID_SOURCE, CurrentCatalog, Plan, PlanStep, StepKind
from wire import names

GONE_MESSAGE = "No longer in the catalog file."
LIFTED = "not deprecated"


def make_plan(current: CurrentCatalog, document: Document, *, file: str, prune: bool, renew: bool = False) -> Plan:
    """`prune` deprecates what the document does not have; else that stays as it is.

    A shape that is there keeps its edition of the common launch fields where the document's changes fit it, and takes
    the newest with `renew`.
    """
    steps = (
        *_account(current, document),
        *_models(current, document),
        *_orders(current, document),
        *_shapes(current, document, prune=prune, renew=renew),
    )
    marked = {"file": file, "prune": prune, "heads": _identity(current), "steps": [step.as_json() for step in steps]}
    fingerprint = hashlib.sha256(canonical(marked).encode()).hexdigest()
    return Plan(document.account_id, file, steps, fingerprint, renew)


def _identity(current: CurrentCatalog) -> list[Any]:
    """Everything of the current catalog that a plan depends on."""
    return [
        [
            model.name,
            asdict(model.facts) if model.facts else None,
            [
                [
                    shape.shape_id,
                    current.versions[shape.shape_id],
                    shape.id_source,
                    asdict(shape.deprecated) if shape.deprecated else None,
                ]
                for shape in model.shapes
            ],
        ]
        for model in current.document.models
    ]


def _account(current: CurrentCatalog, document: Document) -> Iterator[PlanStep]:
    """A document that does not say the account's display name leaves it as it is; a new account has its id then."""
    name, before = names.account_name(document.account_id), current.document.display_name
    if not current.there:
        yield PlanStep(StepKind.ADD_ACCOUNT, name, (_display_name(document.display_name or document.account_id),))
    elif document.display_name not in ("", before):
        yield PlanStep(StepKind.CHANGE_ACCOUNT, name, (_display_name(before, document.display_name),))


def _display_name(*values: str) -> FieldDifference:
    return FieldDifference("Account", "display_name", "Display name", values)


def _models(current: CurrentCatalog, document: Document) -> Iterator[PlanStep]:
    there = {model.name: model.facts for model in current.document.models}
    for model in document.models:
        before = there.get(model.name)
        if model.facts is None or before == model.facts:
            continue
        pairs = [(before, model.facts)] if before else [(model.facts,)]
        kind = StepKind.CHANGE_MODEL if before else StepKind.ADD_MODEL
        yield PlanStep(kind, model.name, _fact_lines(pairs[0]), entry=model)


def _fact_lines(facts: tuple[ModelFacts, ...]) -> tuple[FieldDifference, ...]:
    lines = [
        FieldDifference(
            "Model",
            key.name,
            key.name.replace("_", " ").capitalize(),
            tuple(_words(getattr(f, key.name)) for f in facts),
        )
        for key in fields(ModelFacts)
    ]
    return _telling(lines)


def _words(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(value) or UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else UNKNOWN
    return UNKNOWN if value in (None, "") else f"{value:,}" if isinstance(value, int) else str(value)


def _telling(lines: list[FieldDifference]) -> tuple[FieldDifference, ...]:
    """Without what is the same before and after, or unknown and new."""
    return tuple(line for line in lines if (line.differs if len(line.values) > 1 else line.values[0] != UNKNOWN))


def _orders(current: CurrentCatalog, document: Document) -> Iterator[PlanStep]:
    """Models stand in the document's order within their section, shapes within their model."""
    account = names.account_name(document.account_id)
    there = {model.name: model for model in current.document.models}
    own = [model for model in document.models if model.facts]
    for group in dict.fromkeys((model.facts.family, model.facts.section) for model in own if model.facts):
        wanted = [m.name for m in own if m.facts and (m.facts.family, m.facts.section) == group]
        yield from _order(account, f"Models of {group[1] or group[0]}", list(there), wanted)
    for model in document.models:
        if before := there.get(model.name):
            wanted = [shape.shape_id for shape in model.shapes]
            yield from _order(model.name, "Shapes", [shape.shape_id for shape in before.shapes], wanted)


def _order(name: str, label: str, there: list[str], wanted: list[str]) -> Iterator[PlanStep]:
    before = [each for each in there if each in set(wanted)]
    after = [each for each in wanted if each in set(there)]
    if before != after:
        shown = (", ".join(each.split("/")[-1] for each in order) for order in (before, after))
        yield PlanStep(StepKind.ORDER, name, (FieldDifference("Order", "order", label, tuple(shown)),))


def _shapes(current: CurrentCatalog, document: Document, *, prune: bool, renew: bool) -> Iterator[PlanStep]:
    there = {shape.shape_id: shape for shape in current.document.shapes}
    for shape in document.shapes:
        before = there.get(shape.shape_id)
        version = current.versions.get(shape.shape_id, "")
        if before is None:
            yield _added(shape, private=shape.shape_id in current.base_models)
        elif before != (wanted := shape if renew else shape.under(before.edition)) or shape.version_id not in (
            "",
            version,
        ):
            yield _changed(before, wanted, version)
    kept = {shape.shape_id for shape in document.shapes}
    for shape in current.document.shapes:
        if prune and shape.shape_id not in kept and shape.deprecated is None:
            line = _deprecation_line(None, Deprecation(GONE_MESSAGE))
            gone = ShapeEntry(
                shape.shape_id, shape.id_source, shape.snapshot, shape.launch_fields, Deprecation(GONE_MESSAGE)
            )
            yield PlanStep(StepKind.DEPRECATE, shape.snapshot.name, tuple(line), entry=gone)


def _added(shape: ShapeEntry, *, private: bool) -> PlanStep:
    common = common_fields(shape.snapshot.trainer_mode, shape.edition)
    narrowed = differences((shape.snapshot, common), (shape.snapshot, shape.launch_fields))
    lines = [
        *_telling(compare([(shape.snapshot, ())])),
        *(FieldDifference(line.group, line.key, line.label, line.values[1:]) for line in narrowed),
    ]
    if shape.version_id:
        lines.append(_version(shape.version_id))
    if shape.id_source is not IdSource.OWN:
        lines.append(_id_source(shape))
    if shape.deprecated:
        lines.append(FieldDifference("Life", "deprecated", "Deprecated", (_deprecation_words(shape.deprecated),)))
    note = "It is there already, for members only; this makes a new version of it public." if private else ""
    return PlanStep(StepKind.ADD, shape.snapshot.name, tuple(lines), publishes=True, note=note, entry=shape)


def _changed(before: ShapeEntry, shape: ShapeEntry, version: str) -> PlanStep:
    lines = differences((before.snapshot, before.launch_fields), (shape.snapshot, shape.launch_fields))
    publishes = before.digest != shape.digest
    if publishes and not lines:
        lines = [FieldDifference("Digest", "digest", "Digest", (before.digest[:12], shape.digest[:12]))]
    if shape.version_id not in ("", version):
        publishes = True
        lines.append(_version(version, shape.version_id))
    if before.id_source != shape.id_source:
        lines.append(_id_source(before, shape))
    kind = StepKind.CHANGE
    if not lines:
        kind = StepKind.DEPRECATE if shape.deprecated else StepKind.RESTORE
    lines += _deprecation_line(before.deprecated, shape.deprecated)
    return PlanStep(kind, shape.snapshot.name, tuple(lines), publishes=publishes, entry=shape)


def _version(*version_ids: str) -> FieldDifference:
    return FieldDifference("Shape", "version", "Version", version_ids)


def _id_source(*shapes: ShapeEntry) -> FieldDifference:
    return FieldDifference("Shape", ID_SOURCE, "Source of the id", tuple(str(shape.id_source) for shape in shapes))


def _deprecation_line(before: Deprecation | None, after: Deprecation | None) -> list[FieldDifference]:
    if before == after:
        return []
    return [
        FieldDifference("Life", "deprecated", "Deprecated", (_deprecation_words(before), _deprecation_words(after)))
    ]


def _deprecation_words(found: Deprecation | None) -> str:
    if found is None:
        return LIFTED
    return f"{found.message} Successor: {found.successor}" if found.successor else found.message
