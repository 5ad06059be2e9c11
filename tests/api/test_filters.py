"""Filters of every field of every list, against a Python reading of the same rows."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.roles import Role
from accounts.scopes import Scope
from api.listing import Listing
from catalog.api.lists import MODELS, SHAPES, VERSIONS
from catalog.enums import AcceleratorType, WeightPrecision
from catalog.models import BaseModel, ShapeVersion, TrainingShape
from catalog.search import patterns
from catalog.states import VersionState
from connections.providers.spec import TrainerMode
from connections.providers.states import FINAL, AttemptState
from launches.api.views import CHECKPOINTS, JOBS
from launches.models import Attempt, Checkpoint, Launch
from launches.search import launch_search_text
from tests.api.makers import Caller, make_caller
from tests.launches.makers import NOW, make_launch, make_tiny_version
from tests.makers import make_account, make_member, make_model, make_shape, make_version
from tests.wire.filter_text import write_filter
from wire.casing import camel
from wire.filters import OPERATORS, Comparison, FilterKind

pytestmark = pytest.mark.django_db
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    ":": operator.contains,
}
BY_NAMES = {("versions", "snapshot.base_model"), ("shapes", "base_model"), ("models", "display_name")}
"""What `:` finds by the other names of a model, too."""
STEPS, MOMENT, NEVER = (-1, 0, 1), timedelta(microseconds=1), datetime(1970, 1, 1, tzinfo=UTC)
PATHS = {
    "versions": ("/v1/accounts/-/trainingShapes/-/versions", VERSIONS),
    "shapes": ("/v1/accounts/-/trainingShapes", SHAPES),
    "models": ("/v1/accounts/-/models", MODELS),
    "jobs": ("/v1/accounts/-/rlorTrainerJobs", JOBS),
    "checkpoints": ("/v1/accounts/team-a/rlorTrainerJobs/job-0/checkpoints", CHECKPOINTS),
}


@pytest.fixture
def viewer() -> Caller:
    """A viewer of an account with versions that differ in every fact, with unknown facts among them."""
    team = make_account(account_id="team-a")
    known = make_model(account=team, model_id="known", title="Known")
    other = make_model(account=team, model_id="other", title="Oth%er_ \\")
    bare = make_version(shape=make_shape(base_model=known), gpus=0, context=1, mode=TrainerMode.FORWARD_ONLY)
    full = make_version(
        shape=make_shape(base_model=other, display_name='say "hi" it\'s 100%'),
        gpus=8,
        nodes=2,
        context=131_072,
        mode=TrainerMode.POLICY_TRAINER,
        model_type="qwen3",
        parameter_count=8_200_000_000,
        accelerator_type=AcceleratorType.NVIDIA_B200_180GB,
        base_model_weight_precision=WeightPrecision.BFLOAT16,
        trainer_image_tag="0.383.0",
        deployment_shape_version="accounts/fireworks/deploymentShapes/rft/versions/gyiqbrd6",
        public=False,
    )
    make_version(shape=full.shape, state=VersionState.DRAFT, context=2048)
    withdrawn = make_version(shape=bare.shape, latest=False, model_type="llama", parameter_count=1)
    ShapeVersion.objects.filter(pk=withdrawn.pk).update(withdrawn_at=timezone.now())
    for rows in (ShapeVersion.objects, TrainingShape.objects, BaseModel.objects):
        for place, pk in enumerate(rows.order_by("pk").values_list("pk", flat=True)):
            moment = timezone.now() - timedelta(days=place)
            rows.filter(pk=pk).update(created_at=moment)
    return make_caller(account=team, user=make_member(account=team, role=Role.VIEWER), scope=Scope.READ)


@pytest.fixture
def jobs() -> None:
    """Jobs of the viewer's account in states that the wire calls alike and differently, the first with checkpoints."""
    team, version = make_account(account_id="team-a"), make_tiny_version()
    owners = [make_member(account=team, username=name) for name in ("lena", "Otto")]
    names = ("Same", "Same", 'say "hi" it\'s 100%', "Oth%er_ \\", "")
    states = (AttemptState.QUEUED, AttemptState.PENDING, AttemptState.FAILED, AttemptState.LOST, AttemptState.RUNNING)
    for place, (name, state) in enumerate(zip(names, states, strict=True)):
        launch = make_launch(owner=owners[place % 2], account=team, version=version)
        changes = {"job_id": f"job-{place}", "display_name": name, "created_at": NOW + timedelta(days=place % 3)}
        found_by = launch_search_text(
            display_name=name, job_id=f"job-{place}", base_model=launch.spec["base_model"], shape=version.shape
        )
        Launch.objects.filter(pk=launch.pk).update(state=state, search_text=found_by, **changes)
        Attempt.objects.filter(launch=launch).update(state=state, finished_at=NOW if state in FINAL else None)
    for step in (0, 20, 40):
        first = Launch.objects.get(job_id="job-0")
        saved = NOW + timedelta(seconds=step // 40)
        Checkpoint.objects.create(launch=first, name=f"step-{step}", step=step, size_bytes=step, saved_at=saved)


def value_at(row: Any, field: str, kind: FilterKind) -> Any:
    """What the row says of the field, as the filter compares it; fields that came later only say what they have."""
    for part in field.split("."):
        row = row.get(camel(part), kind is FilterKind.WHOLE and "0")
    if kind is FilterKind.TIME:
        return datetime.fromisoformat(row)
    return int(row) if kind is FilterKind.WHOLE else row


def rows_of(caller: Caller, path: str, listing: Listing, text: str) -> list[Any]:
    """The rows that a filter leaves, by name."""
    status, body = caller.get(f"{path}?pageSize=200&filter={quote(text)}")
    assert status == 200, (text, body)
    assert body["totalSize"] == len(body[listing.key])
    return list(body[listing.key])


def comparisons(listing: Listing, rows: list[Any]) -> st.SearchStrategy[Comparison]:
    """One comparison with a field: mostly with a value that some row has, or one beside it."""

    def of_field(name: str) -> st.SearchStrategy[Comparison]:
        field = listing.filters[name].field
        is_whole, is_time = field.kind is FilterKind.WHOLE, field.kind is FilterKind.TIME
        present = [value_at(row, name, field.kind) for row in rows]
        values: Mapping[FilterKind, st.SearchStrategy[Any]] = {
            FilterKind.BOOLEAN: st.booleans(),
            FilterKind.CHOICE: st.sampled_from(field.choices or ("",)),
            FilterKind.WHOLE: st.sampled_from([each + by for each in present for by in STEPS] if is_whole else [0]),
            FilterKind.TIME: st.sampled_from(
                [each + by * MOMENT for each in present for by in STEPS if is_time] or [NEVER]
            ),
            FilterKind.TEXT: st.sampled_from(present)
            | st.sampled_from(["%", "_", "\\", "'", '"', "", "a", "known", "n"]),
        }
        return st.builds(Comparison, st.just(name), st.sampled_from(OPERATORS[field.kind]), values[field.kind])

    return st.sampled_from(sorted(listing.filters)).flatmap(of_field)


@pytest.mark.e2e  # for how long it takes
@pytest.mark.parametrize("kind", PATHS)
def test_every_filter_agrees_with_python(viewer: Caller, jobs: None, kind: str) -> None:
    path, listing = PATHS[kind]
    everything = rows_of(viewer, path, listing, "")
    assert len(everything) >= 2
    names = {key: model.search_text for model in BaseModel.objects.all() for key in (model.name, model.title)}

    def compared(asked: Comparison, row: Any) -> bool:
        value = value_at(row, asked.field, listing.filters[asked.field].field.kind)
        if COMPARE[asked.operator](value, asked.value):
            return True
        wanted = patterns(str(asked.value)) if (kind, asked.field) in BY_NAMES and asked.operator == ":" else ()
        return bool(wanted) and all(pattern in names[value] for pattern in wanted)

    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(st.lists(comparisons(listing, everything), min_size=1, max_size=3))
    def agrees(asked: list[Comparison]) -> None:
        expected = [row for row in everything if all(compared(each, row) for each in asked)]
        assert rows_of(viewer, path, listing, write_filter(asked)) == expected

    agrees()


@pytest.mark.parametrize("listing", [VERSIONS, SHAPES, MODELS, JOBS, CHECKPOINTS], ids=lambda listing: listing.key)
def test_fields_of_filters_are_fields_of_the_resource(listing: Listing) -> None:
    from api.masks import fields_of
    from wire.masks import parse_mask

    parse_mask(",".join(listing.filters), fields_of(listing.serializer))
    parse_mask(",".join(listing.orders), fields_of(listing.serializer))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("snapshot.accelerator_type=ACCELERATOR_TYPE_UNSPECIFIED", 3),
        ("snapshot.accelerator_type!=NVIDIA_B200_180GB", 3),
        ("snapshot.accelerator_type!=ACCELERATOR_TYPE_UNSPECIFIED", 1),
        ("snapshot.model_type=''", 2),
        ("snapshot.model_type!=qwen3", 3),
        ("snapshot.parameter_count=0", 2),
        ("snapshot.parameter_count<1", 2),
        ("snapshot.parameter_count!=1", 3),
        ("snapshot.trainer_mode=TRAINER_MODE_UNSPECIFIED", 0),
        ("validated=false", 2),
        ("validated!=false", 2),
        ("validated=true AND latest_validated=true", 2),
        ("snapshot.base_model=accounts/team-a/models/known", 2),
        ("snapshot.base_model!=accounts/team-a/models/known", 2),
        ("snapshot.base_model:models", 4),
        ("snapshot.base_model=known", 0),
    ],
)
def test_unknown_facts_are_compared_as_the_wire_writes_them(viewer: Caller, text: str, left: int) -> None:
    assert len(rows_of(viewer, *PATHS["versions"], text)) == left


@pytest.mark.parametrize(
    ("kind", "text", "left"),
    [
        ("models", 'display_name:"Qwen/Qwen3.5-9B"', 1),
        ("models", 'display_name:"qwen3.5 9b" AND display_name="Qwen 3.5 9B"', 1),
        ("models", '"Qwen3.5-9B"', 1),
        ("models", '"9b lora 128k"', 1),
        ("models", '"9b policy"', 0),
        ("shapes", 'base_model:"Qwen3.5-9B"', 1),
        ("shapes", '"Qwen/Qwen3.5-9B lora 128k"', 1),
        ("shapes", '"Qwen/Qwen3.5-9B lora 200k"', 0),
        ("shapes", '"2 gpus" AND trainer_mode=LORA_TRAINER', 1),
        ("shapes", "'qwen2.5'", 0),
        ("shapes", "'%'", 0),
        ("versions", '"qwen3p5 9b 2 gpus" AND latest_validated=true', 1),
    ],
)
def test_texts_find_what_the_search_of_the_catalog_page_finds(kind: str, text: str, left: int) -> None:
    team = make_account(account_id="team-a")
    model = make_model(account=team, model_id="some-9b", title="Qwen 3.5 9B")
    make_version(shape=make_shape(base_model=model), context=131_072, gpus=2, public=False)
    make_version(shape=make_shape(base_model=make_model(account=team, title="Other 3")), gpus=8, public=False)
    viewer = make_caller(account=team, user=make_member(account=team, role=Role.VIEWER), scope=Scope.READ)
    assert len(rows_of(viewer, *PATHS[kind], text)) == left


def test_a_text_by_itself_is_refused_where_nothing_is_searched(viewer: Caller) -> None:
    status, body = viewer.get("/v1/accounts?filter=%22qwen%22")
    assert (status, "write a field and an operator" in str(body)) == (400, True)


def test_a_text_by_itself_finds_jobs_as_the_list_of_launches_does(viewer: Caller, jobs: None) -> None:
    for text, left in {
        '"same"': ["job-1", "job-0"],
        '"job-3"': ["job-3"],
        '"JOB-3" AND state=JOB_STATE_FAILED': ["job-3"],
        '"job-3" AND state=JOB_STATE_RUNNING': [],
        '"say \\"hi\\""': ["job-2"],
        '"tiny qwen 3"': ["job-2", "job-4", "job-1", "job-3", "job-0"],
        '"100%"': ["job-2"],
        '"nothing like it"': [],
        '"%"': [],
    }.items():
        found = [row["name"].rpartition("/")[2] for row in rows_of(viewer, *PATHS["jobs"], text)]
        assert sorted(found) == sorted(left), text


def test_all_that_clients_of_the_public_api_filter_by_is_read(viewer: Caller) -> None:
    text = (
        'latest_validated=true AND public=false AND snapshot.base_model="accounts/team-a/models/other" '
        'AND snapshot.trainer_mode="POLICY_TRAINER" AND snapshot.model_type="qwen3" '
        "AND snapshot.parameter_count>=8000000000 AND snapshot.parameter_count<=8999999999"
    )
    assert len(rows_of(viewer, *PATHS["versions"], text)) == 1
