"""What a catalog document would change: from what an account offers to a list of steps. Pure.

A plan is exact: applying it does its steps and nothing else. Its fingerprint covers the file, the versions that it was
made from and its steps, so a plan that somebody reviewed is known again, or is known to be stale.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any

from catalog.enums import IdSource
from catalog.fields.differences import UNKNOWN, FieldDifference, compare, differences
from catalog.fields.launch_fields import common_fields
from catalog.fields.snapshots import canonical
from catalog.files.document import Deprecation, Document, ModelEntry, ModelFacts, ShapeEntry
from wire import names

GONE_MESSAGE = "No longer in the catalog file."
LIFTED = "not deprecated"
ID_SOURCE = "id_source"
"""The one field of a shape that no version keeps."""


@dataclass(frozen=True)
class CurrentCatalog:
    """What an account offers now: the latest validated version of every shape.

    `document` also has the account's models without any; `versions` are their version ids by shape id, and
    `base_models` the resource names of the base models of all its shapes, private ones too. `there` says whether there
    is such an account.
    """

    document: Document
    versions: dict[str, str] = field(default_factory=dict)
    base_models: dict[str, str] = field(default_factory=dict)
    there: bool = True


class StepKind(StrEnum):
    """What a step does to the account, a shape, a base model, or (`order`) their order in the catalog."""

    ADD_ACCOUNT = "add_account"
    CHANGE_ACCOUNT = "change_account"
    ADD_MODEL = "add_model"
    CHANGE_MODEL = "change_model"
    ORDER = "order"
    ADD = "add"
    CHANGE = "change"
    DEPRECATE = "deprecate"
    RESTORE = "restore"


@dataclass(frozen=True)
class PlanStep:
    """One change: `name` is a resource name, `lines` hold one value each where there was none before, else two.

    `publishes` says whether the shape gets a new version. A shape is named by one step only: one that changes and is
    deprecated at once is a change, with a line that says so. `entry` is how it is to be.
    """

    kind: StepKind
    name: str
    lines: tuple[FieldDifference, ...]
    publishes: bool = False
    note: str = ""
    entry: ModelEntry | ShapeEntry | None = None

    @property
    def short_name(self) -> str:
        """The id at the end of the name."""
        return self.name.rpartition("/")[2]

    @property
    def compares(self) -> bool:
        """Whether there is something before."""
        return any(len(line.values) > 1 for line in self.lines)

    def as_json(self) -> dict[str, Any]:
        """As `plan_catalog --json` prints it; docs/CATALOG.md lists the keys."""
        return {
            "kind": self.kind,
            "name": self.name,
            "new_version": self.publishes,
            "note": self.note,
            "fields": [
                {
                    "field": line.key,
                    "label": line.label,
                    "before": line.values[0] if len(line.values) > 1 else None,
                    "after": line.values[-1],
                }
                for line in self.lines
            ],
        }


@dataclass(frozen=True)
class Plan:
    """The steps that bring an account to what the file says, and the fingerprint that knows the plan again.

    `file` is the sha256 of the file's bytes; `renew` is as in `make_plan`.
    """

    account_id: str
    file: str
    steps: tuple[PlanStep, ...]
    fingerprint: str
    renew: bool = False

    @property
    def vouching(self) -> str:
        """What applying it says of the new versions, none of which is run before; "" where there is none."""
        words = "New versions count as validated by file: nothing is run, and who applies the file vouches for it."
        return words if any(step.publishes for step in self.steps) else ""

    @property
    def counts(self) -> dict[StepKind, int]:
        """How many steps there are of each kind, all kinds named."""
        found = Counter(step.kind for step in self.steps)
        return {kind: found[kind] for kind in StepKind}

    def as_json(self) -> dict[str, Any]:
        """As `plan_catalog --json` prints it; docs/CATALOG.md lists the keys."""
        return {
            "account": names.account_name(self.account_id),
            "file_sha256": self.file,
            "fingerprint": self.fingerprint,
            "counts": self.counts,
            "vouching": self.vouching,
            "steps": [step.as_json() for step in self.steps],
        }


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
