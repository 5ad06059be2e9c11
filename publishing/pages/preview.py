"""What a draft would be for its users, while it is being written: problems, warnings, memory, and the launch form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accounts.models import Account
from catalog.enums import ShapeKind
from catalog.fields.checks import data_parallel_rest, estimate_memory, problems, warnings
from catalog.fields.differences import FieldDifference, differences
from catalog.fields.facts import Fact, shape_facts
from catalog.fields.inputs import Input, element_of
from catalog.fields.launch_fields import LaunchField
from catalog.fields.recipe_fields import of_shape
from catalog.fields.snapshot_fields import BY_KEY, SCHEME, SCHEME_FIELDS
from catalog.fields.snapshots import Snapshot
from catalog.models import BaseModel, ShapeVersion
from launches.offers import Offer
from launches.pages.forms import form_fields
from launches.placement import connections_of, default_offer
from launches.resolve import Subject
from launches.subjects import fitting_models
from publishing.content import LAUNCH_FIELDS, Content
from publishing.pages.forms import PREFIX, label_of
from wire.errors import Violation
from wire.names import version_name

NEW_VERSION = "newdraft"
"""Stands for the version's id as long as there is none."""


@dataclass(frozen=True)
class FieldMessage:
    """Something said of a field, with the field's own words and its input's element."""

    label: str
    element: str
    description: str


@dataclass(frozen=True)
class DraftPreview:
    """`wrong` keeps the draft from being saved, `problems` from being validated, `warnings` from nothing.

    What needs a whole snapshot is empty or None as long as there is something wrong; `problems` are those of the values
    that can be read.
    """

    wrong: tuple[FieldMessage, ...]
    problems: tuple[FieldMessage, ...]
    warnings: tuple[FieldMessage, ...]
    memory: str
    fits: bool
    gpus: int | None
    copies: int | None
    facts: tuple[Fact, ...]
    form: tuple[Input, ...]
    offer: Offer | None
    lines: tuple[FieldDifference, ...]


def preview_content(
    content: Content, *, model: BaseModel, account: Account, based_on: ShapeVersion | None, edition: int
) -> DraftPreview:
    """The preview of a draft for `account` whose launch fields narrow that edition of the common ones."""
    snapshot = content.snapshot
    wrong = _findings(content.violations)
    if snapshot is None:
        return DraftPreview(wrong, _findings(content.problems), (), "", True, None, None, (), (), None, ())
    estimate = estimate_memory(snapshot)
    trains = snapshot.kind is ShapeKind.TRAINING
    form, offer = _form(snapshot, content.fields, model, account) if trains and not wrong else ((), None)
    told = {violation.field for violation in content.violations}
    found = [problem for problem in problems(snapshot, content.fields, edition) if problem.field not in told]
    return DraftPreview(
        wrong=wrong,
        problems=_findings(found),
        warnings=_findings(warnings(snapshot, model_parameters=model.parameter_count)),
        memory=estimate.sentence if estimate else "",
        fits=estimate is None or estimate.per_gpu <= estimate.available,
        gpus=snapshot.gpus,
        copies=data_parallel_rest(snapshot) if trains else None,
        facts=tuple(shape_facts(snapshot)),
        form=form,
        offer=offer,
        lines=_lines(based_on, snapshot, content.fields) if not wrong else (),
    )


def _form(
    snapshot: Snapshot, fields: Sequence[LaunchField], model: BaseModel, account: Account
) -> tuple[tuple[Input, ...], Offer]:
    """The launch form's fields as its users would find them, and who would take the defaults."""
    subject = _subject(snapshot, fields, model, account)
    _, offer = default_offer(subject, connections_of(account))
    return form_fields(subject, offer.recipes, {}, ()), offer


def _subject(snapshot: Snapshot, fields: Sequence[LaunchField], model: BaseModel, account: Account) -> Subject:
    parts = snapshot.name.split("/")
    return Subject(
        version_name=version_name(parts[1], parts[3], NEW_VERSION, parts[2]),
        snapshot=snapshot,
        fields=of_shape(fields),
        fitting_models=tuple(each.name for each in fitting_models(model, snapshot, account)),
    )


def _lines(
    based_on: ShapeVersion | None, snapshot: Snapshot, fields: Sequence[LaunchField]
) -> tuple[FieldDifference, ...]:
    if based_on is None:
        return ()
    return tuple(differences((based_on.frozen_snapshot, based_on.fields), (snapshot, fields)))


def _findings(violations: Sequence[Violation]) -> tuple[FieldMessage, ...]:
    return tuple(FieldMessage(_label(v.field), _element(v.field), v.description) for v in violations)


def _label(key: str) -> str:
    if key in BY_KEY:
        return BY_KEY[key].label
    if key.startswith(f"{LAUNCH_FIELDS}."):
        return label_of(key)
    return {SCHEME: "Parallelism", "shape_id": "Shape id"}.get(key, key.replace("_", " ").capitalize())


def _element(key: str) -> str:
    """The element of the input that a finding is about; of the whole scheme its first degree."""
    known = {SCHEME: SCHEME_FIELDS[0].key}.get(key, key)
    return element_of(PREFIX, known)
