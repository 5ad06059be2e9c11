"""Every field of both tables at every door; docs/DEVELOPMENT.md says how to add one. A failure names field and door."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from catalog.api.resources import snapshot_json
from catalog.api.views import SHAPE_LISTS
from catalog.enums import ShapeKind
from catalog.fields.differences import compare
from catalog.fields.facts import shape_facts
from catalog.fields.launch_fields import PLACES, FieldType, LaunchField, edition_fields, every_field
from catalog.fields.snapshot_fields import EVERY_FIELD, FIELDS, SnapshotField, ValueKind, value_of
from catalog.fields.snapshots import Snapshot
from catalog.files.export import write_document
from catalog.files.reader import read_document
from connections.providers.spec import ShardingScheme, TrainerMode, TrainerSpec
from launches.api.bodies import WIRE, launch_inputs, value_at
from launches.api.resources import TrainerJobSerializer, TrainingConfigSerializer
from launches.pages.forms import form_fields
from launches.pages.render import Address, render_request
from launches.resolve import OWNED_BY_SHAPE, Subject, resolve
from launches.settings_on_wire import written_values
from publishing.api.bodies import changed_snapshot
from publishing.content import read_content, write_content
from publishing.pages.forms import narrowings, sections
from wire.casing import camel

DOCS = Path(__file__).parents[1] / "docs"
OTHER_MODEL = "accounts/team-a/models/other"
SHAPE = Snapshot(
    name="accounts/team-a/trainingShapes/small-8k",
    base_model="accounts/team-a/models/small",
    trainer_mode=TrainerMode.LORA_TRAINER,
    max_supported_context_length=8192,
    accelerator_count=2,
    node_count=1,
    trainer_sharding_scheme=ShardingScheme(),
)
SAMPLER = Snapshot(
    name="accounts/team-a/deploymentShapes/small-sampler",
    base_model=SHAPE.base_model,
    trainer_mode=None,
    max_supported_context_length=8192,
    accelerator_count=2,
    node_count=1,
)
FILE = """
account: team-a
models:
- model: accounts/team-a/models/small
  title: Small
  family: Own
  shapes:
  - id: small-8k
    trainer_mode: LORA_TRAINER
    max_supported_context_length: 8192
    gpus: 2
    parallelism: {}
"""
SAMPLER_FILE = (
    FILE.partition("  shapes:")[0]
    + """  deployment_shapes:
  - id: small-sampler
    version: abcd1234
    max_supported_context_length: 8192
    gpus: 2
"""
)
FILES, SNAPSHOTS = (
    {ShapeKind.TRAINING: FILE, ShapeKind.DEPLOYMENT: SAMPLER_FILE},
    {ShapeKind.TRAINING: SHAPE, ShapeKind.DEPLOYMENT: SAMPLER},
)


def in_file(name: str) -> bool:
    """Whether a table or a text of the document about files names it as code."""
    return f"`{name}`" in (DOCS / "CATALOG.md").read_text()


# What a user may set.


def sample(field: LaunchField) -> Any:
    """A value that is no default."""
    if field.type is FieldType.MODEL:
        return OTHER_MODEL
    if field.type is FieldType.DURATION:
        return "90m"
    return "somewhere" if field.type is FieldType.TEXT else field.maximum


def subject() -> Subject:
    names = (SHAPE.base_model, OTHER_MODEL)
    return Subject(f"{SHAPE.name}/versions/abcd1234", SHAPE, edition_fields(), names, serving=SAMPLER)


def spec_with(field: LaunchField) -> TrainerSpec:
    found = resolve(subject(), {field.name: sample(field)})
    assert isinstance(found, TrainerSpec), found
    return found


def is_set(field: LaunchField) -> bool:
    default = resolve(subject(), {})
    place = PLACES[field.name]
    return bool(getattr(spec_with(field), place.spec) != getattr(default, place.spec))


def is_rendered(field: LaunchField) -> bool:
    spec, place = spec_with(field), PLACES[field.name]
    request = render_request(spec, account="team-a", job="one", address=Address("here", "http://here"))
    last = place.wire.rpartition(".")[2]
    return (
        camel(place.spec) in json.loads(request.json)
        and (not last or f'"{last}"' in request.curl)
        and (not place.sdk or f"    {place.sdk}=" in request.python)
    )


def is_taken_by_the_api(field: LaunchField) -> bool:
    path = PLACES[field.name].wire
    if not path:
        return True
    part, _, last = path.rpartition(".")
    serializer = TrainingConfigSerializer() if part else TrainerJobSerializer()
    body = {part: {last: sample(field)}} if part else {last: sample(field)}
    inputs = launch_inputs(SHAPE, body, named=True)
    return last in serializer.fields and WIRE[field.name] == path and inputs[field.name] == sample(field)


def is_answered_by_the_api(field: LaunchField) -> bool:
    path = PLACES[field.name].wire
    part, _, last = path.rpartition(".")
    changed, default = (written_values(spec, part) for spec in (spec_with(field), resolve(subject(), {})) if path)  # type: ignore[arg-type]
    return bool(changed[last] != default[last])


def comes_back_from_a_file(field: LaunchField) -> bool:
    text = f"{FILE}    launch_fields:\n      {field.name}: {{help: Another.}}\n"
    document = read_document(text, source="own.yaml")
    written = write_document(document)
    return f"{field.name}:" in written and read_document(written, source="own.yaml") == document


LAUNCH_DOORS: dict[str, Callable[[LaunchField], bool]] = {
    "the form": lambda field: field.name in {each.name for each in form_fields(subject(), (), {}, ())},
    "the resolved spec": is_set,
    "the preview (JSON, curl, Python)": is_rendered,
    "a request to the API": is_taken_by_the_api,
    "an answer of the API": lambda field: not PLACES[field.name].wire or is_answered_by_the_api(field),
    "the editor": lambda field: field.name in {each.name for each in narrowings({}, ())},
    "a catalog file": comes_back_from_a_file,
    "the comparison": lambda field: any(
        line.key.startswith(f"launch_fields.{field.name}") for line in compare([(SHAPE, [field])])
    ),
    "docs/CATALOG.md": lambda field: in_file(field.name),
    "docs/API.md": lambda field: PLACES[field.name].wire.rpartition(".")[2] in (DOCS / "API.md").read_text(),
}


@pytest.mark.parametrize("door", LAUNCH_DOORS)
@pytest.mark.parametrize("name", [field.name for field in edition_fields()])
def test_a_launch_field_is_at_every_door(name: str, door: str) -> None:
    assert LAUNCH_DOORS[door](every_field()[name]), f"{name} is missing at {door}"


def test_every_launch_field_has_its_place_and_no_place_is_left_over() -> None:
    assert set(PLACES) == set(every_field())


def test_a_resolved_spec_has_an_attribute_for_whatever_it_is_told() -> None:
    told = {place.spec for place in PLACES.values()} | {field.spec for field in FIELDS if field.spec}
    assert told - set(TrainerSpec.__dataclass_fields__) == set()


# What the shape owns.


def other(field: SnapshotField, shape: Snapshot) -> Any:
    """A value that the shape does not have."""
    match field.kind:
        case ValueKind.FLAG:
            return True
        case ValueKind.CHOICE:
            return next(choice for choice in field.choices if choice != value_of(shape, field.key))
        case ValueKind.WHOLE:
            return 2 if value_of(shape, field.key) != 2 else 4
    return OTHER_MODEL if field.fixed else DEPLOYMENT if field.key == "deployment_shape_version" else "other"


DEPLOYMENT = "accounts/team-a/deploymentShapes/small/versions/abcd1234"


def changed(field: SnapshotField, shape: Snapshot) -> Snapshot:
    inner, value = field.key.partition(".")[2], other(field, shape)
    if inner:
        value = replace(shape.trainer_sharding_scheme or ShardingScheme(), **{inner: value})
    change: dict[str, Any] = {field.head: value}
    return replace(shape, **change)


def on_wire(field: SnapshotField, snapshot: Snapshot) -> Any:
    return value_at(snapshot_json(snapshot), field.wire)


def is_written_by_the_api(field: SnapshotField, shape: Snapshot) -> bool:
    part, _, last = field.wire.rpartition(".")
    fields = SHAPE_LISTS[shape.kind].serializer().fields
    known = fields[part].fields if part else fields  # type: ignore[attr-defined]
    value = on_wire(field, changed(field, shape))
    body = known[last].to_internal_value(value)
    return changed_snapshot(shape, {part: {last: body}} if part else {last: body}) == changed(field, shape)


def is_edited(field: SnapshotField, shape: Snapshot) -> bool:
    shown = sections({}, (), base_model="m", kind=shape.kind)
    inputs = {each.name for section in shown for each in section.inputs}
    snapshot = changed(field, shape)
    values = write_content(snapshot, ())
    read = read_content(values, name=shape.name, base_model=snapshot.base_model, kind=shape.kind)
    return field.key in inputs and read.snapshot == snapshot


def is_in_a_file(field: SnapshotField, shape: Snapshot) -> bool:
    if field.fixed:
        return "- model:" in FILE
    document = read_document(FILES[shape.kind], source="own.yaml")
    (model,) = document.models
    snapshot = changed(field, shape)
    if field.kind is ValueKind.WHOLE and field.head == "trainer_sharding_scheme":
        snapshot = replace(snapshot, accelerator_count=other(field, shape))
    wanted = replace(document, models=(replace(model, shapes=(replace(model.shapes[0], snapshot=snapshot),)),))
    (read,) = read_document(write_document(wanted), source="own.yaml").shapes
    return read.snapshot == snapshot


SHOWN_ELSEWHERE = {"base_model", "display_name", "description", "model_type", "parameter_count"} | {
    *("hide_specs", "rl_accelerator_count")
}
"""At the head of a page, of the shape or of its base model, or beside the number of its GPUs."""


def is_a_fact(field: SnapshotField, shape: Snapshot) -> bool:
    facts = {fact.key: fact.value for fact in shape_facts(changed(field, shape))}
    before = {fact.key: fact.value for fact in shape_facts(shape)}
    if field.heads:
        return field.key in SHOWN_ELSEWHERE
    return field.head in facts and facts[field.head] != before[field.head]


def is_told_to_a_launch(field: SnapshotField, shape: Snapshot) -> bool:
    if shape.kind is ShapeKind.DEPLOYMENT:
        return True  # nothing is launched from it
    if not field.spec:
        return field.key in SHOWN_ELSEWHERE
    found = resolve(replace(subject(), snapshot=changed(field, shape), fields=()), {})
    before = resolve(replace(subject(), fields=()), {})
    return getattr(found, field.spec) != getattr(before, field.spec) and field.spec in OWNED_BY_SHAPE


def is_compared(field: SnapshotField, shape: Snapshot) -> bool:
    lines = compare([(shape, ()), (changed(field, shape), ())])
    return any(line.key == field.key and line.differs for line in lines)


SHAPE_DOORS: dict[str, Callable[[SnapshotField, Snapshot], bool]] = {
    "the editor": is_edited,
    "a request to the API": is_written_by_the_api,
    "an answer of the API": lambda field, shape: on_wire(field, changed(field, shape)) != on_wire(field, shape),
    "a filter of the API": lambda field, shape: field.head != field.key or field.key in SHAPE_LISTS[shape.kind].filters,
    "a catalog file": is_in_a_file,
    "the comparison": is_compared,
    "the facts of the shape's page and the launch form": is_a_fact,
    "the resolved spec": is_told_to_a_launch,
    "docs/CATALOG.md": lambda field, shape: in_file(field.in_file.rpartition(".")[2]),
}


@pytest.mark.parametrize("door", SHAPE_DOORS)
@pytest.mark.parametrize("field", EVERY_FIELD, ids=lambda field: field.key)
def test_a_field_that_a_shape_owns_is_at_every_door(field: SnapshotField, door: str) -> None:
    for kind in field.kinds:
        assert SHAPE_DOORS[door](field, SNAPSHOTS[kind]), f"{field.key} of a {kind} shape is missing at {door}"


def test_every_attribute_of_a_snapshot_is_in_the_table() -> None:
    attributes = {name for name in Snapshot.__dataclass_fields__ if name != "name"}
    assert attributes == {field.head for field in EVERY_FIELD}
