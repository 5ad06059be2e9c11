"""Shapes and versions written through the API, in every state that they can be in."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Account, AuditEntry, User
from accounts.roles import Role
from accounts.scopes import Scope
from catalog.models import ShapeVersion, TrainingShape
from catalog.states import VersionState
from publishing.models import Validation
from tests.api.makers import Caller, make_caller
from tests.api.test_jobs import reason, violations
from tests.launches.makers import make_launch, make_tiny_version
from tests.makers import make_account, make_member, make_model, make_shape, make_version
from tests.publishing.makers import make_validation

SHAPES = "/v1/accounts/team-a/trainingShapes"
FACTS = {
    "acceleratorType": "NVIDIA_B200_180GB",
    "acceleratorCount": 8,
    "trainerImageTag": "0.383.0",
    "baseModelWeightPrecision": "BFLOAT16",
}
pytestmark = pytest.mark.django_db


@pytest.fixture
def publisher(team: Account) -> User:
    return make_member(account=team, role=Role.PUBLISHER, username="petra")


@pytest.fixture
def caller(team: Account, publisher: User) -> Caller:
    return make_caller(account=team, user=publisher)


def body(team: Account, **changes: Any) -> dict[str, Any]:
    """What a new shape needs."""
    model = team.base_models.filter(model_id="m").first() or make_model(
        account=team, model_id="m", model_type="qwen3", parameter_count=8_200_000_000
    )
    needed = {"baseModel": model.name, "trainerMode": "LORA_TRAINER", "maxSupportedContextLength": 4096}
    return needed | FACTS | changes


def make_shape_of(caller: Caller, team: Account, shape_id: str = "mine", **changes: Any) -> Any:
    """The shape that the request made."""
    status, shape = caller.post(f"{SHAPES}?trainingShapeId={shape_id}", body(team, **changes))
    assert status == 200, shape
    return shape


def only_version(shape_id: str = "mine") -> ShapeVersion:
    """The shape's one version."""
    return ShapeVersion.objects.select_related("shape__account").get(shape__shape_id=shape_id)


def newest_version(shape_id: str = "mine") -> ShapeVersion:
    """The shape's newest version."""
    return ShapeVersion.objects.select_related("shape__account").filter(shape__shape_id=shape_id).latest("pk")


def marks(answer: tuple[int, Any]) -> tuple[bool, bool, bool]:
    """validated, public and latestValidated of the version answered."""
    status, version = answer
    assert status == 200, version
    return version["validated"], version["public"], version["latestValidated"]


def test_what_users_may_set_is_narrowed_as_in_a_catalog_file(caller: Caller, team: Account) -> None:
    narrow = {"lora_rank": {"maximum": 32, "default": 8.0}, "recipe.epochs": {"maximum": 2, "default": 1}}
    make_shape_of(caller, team, shape_id="plain")
    shape = make_shape_of(caller, team, launchFields=narrow)
    assert shape["launchFields"]["recipe.epochs"] == {"maximum": 2, "default": 1}
    assert shape["launchFields"]["lora_rank"]["maximum"] == 32
    assert "launchFields" not in caller.get(f"{SHAPES}/plain")[1], "nothing was narrowed"
    fields = {field.name: field for field in only_version().fields}
    assert (fields["recipe.epochs"].maximum, fields["lora_rank"].default) == (2, 8)

    kept = caller.patch(f"{SHAPES}/mine", {"description": "Again."})[1]
    assert kept["launchFields"] == shape["launchFields"], "what nobody names stays"
    other = {"launchFields": {"recipe.epochs": {"maximum": 3}}}
    changed = caller.patch(f"{SHAPES}/mine?updateMask=launchFields", other | {"description": "not named"})[1]
    assert (changed["launchFields"], changed["description"]) == (other["launchFields"], "Again.")
    wide = {
        "recipe.epochs": {"maximum": 10_000}, "recipe.seed": None, "lora_rank": {"choices": [[1]], "unit": "x"},
        "no-such": {}, "recipe.schedule": {"choices": ["steep"], "help": 7, "default": {}},
    }  # fmt: skip
    versions = ShapeVersion.objects.count()
    told = violations(caller.patch(f"{SHAPES}/mine", {"launchFields": wide, "acceleratorCount": 10**9}))
    assert ShapeVersion.objects.count() == versions
    assert "above the common maximum" in told["launchFields.recipe.epochs.maximum"]
    assert {"launchFields.recipe.seed", "launchFields.no-such", "acceleratorCount"} <= set(told)
    assert any(path.startswith("launchFields.lora_rank") for path in told)
    assert caller.patch(f"{SHAPES}/mine", {"launchFields": {"lora_rank": 7}})[0] == 400
    assert "launchFields" not in caller.patch(f"{SHAPES}/mine", {"launchFields": {}})[1], "nothing is narrowed any more"


def test_a_new_shape_has_one_draft_and_says_what_was_sent(caller: Caller, team: Account) -> None:
    scheme = {"tensorParallelism": 4, "sequenceParallelism": True}
    shape = make_shape_of(caller, team, displayName="Mine", description="For us.", trainerShardingScheme=scheme)
    assert shape["name"] == "accounts/team-a/trainingShapes/mine"
    assert (shape["displayName"], shape["description"], shape["nodeCount"]) == ("Mine", "For us.", 1)
    assert (shape["minTotalAcceleratorCount"], shape["acceleratorType"]) == (8, "NVIDIA_B200_180GB")
    assert shape["trainerShardingScheme"] == {
        "tensorParallelism": 4,
        "pipelineParallelism": 1,
        "contextParallelism": 1,
        "expertParallelism": 1,
        "sequenceParallelism": True,
    }
    assert (shape["modelType"], shape["parameterCount"]) == ("qwen3", "8200000000")  # the base model's
    assert only_version().state == VersionState.DRAFT
    assert caller.get(f"/v1/{shape['name']}")[1] == shape
    assert caller.get(f"{SHAPES}")[1]["trainingShapes"] == []
    (version,) = caller.get(f"{SHAPES}/mine/versions")[1]["trainingShapeVersions"]
    assert version["snapshot"] == shape
    assert marks((200, version)) == (False, False, False)
    labels = set(AuditEntry.objects.filter(target__startswith=shape["name"]).values_list("actor_label", flat=True))
    assert labels == {f"petra (key {User.objects.get().api_keys.get().name})"}


def test_an_id_that_is_taken_is_a_conflict(caller: Caller, team: Account) -> None:
    shape = make_shape_of(caller, team)
    answer = caller.post(f"{SHAPES}?trainingShapeId=mine", body(team, displayName="other"))
    assert reason(answer) == (409, 6, "ALREADY_EXISTS")
    assert caller.get(f"/v1/{shape['name']}")[1] == shape
    assert ShapeVersion.objects.count() == 1


def test_what_is_missing_or_unknown_is_named(caller: Caller, team: Account) -> None:
    found = violations(caller.post(f"{SHAPES}?trainingShapeId=mine", {}))
    assert set(found) == {"baseModel", "trainerMode", "acceleratorCount", "maxSupportedContextLength"}
    theirs = make_model(account=make_account(account_id="team-b"), title="secret")
    for model in ("accounts/team-a/models/none", theirs.name, "x"):
        answer = caller.post(f"{SHAPES}?trainingShapeId=mine", body(team, baseModel=model))
        assert "There is no base model" in violations(answer)["baseModel"]
    for shape_id in ("", "Mine", "a" * 64, "-a", "a_b"):
        answer = caller.post(f"{SHAPES}?trainingShapeId={shape_id}", body(team))
        assert "is no id" in violations(answer)["trainingShapeId"]
    answer = caller.post(f"{SHAPES}?trainingShapeId=mine", body(team, nodeCount=0, acceleratorCount=5000))
    assert set(violations(answer)) == {"nodeCount", "acceleratorCount"}
    answer = caller.post(f"{SHAPES}?trainingShapeId=mine", body(team, trainerImageTag="bad tag:x"))
    assert "'bad tag:x' cannot be used. Use letters" in violations(answer)["trainerImageTag"]
    answer = caller.post(f"{SHAPES}?trainingShapeId=mine", body(team, trainerShardingScheme={"contextParallelism": 0}))
    assert set(violations(answer)) == {"trainerShardingScheme.contextParallelism"}
    assert TrainingShape.objects.count() == 0


def test_a_patch_makes_a_draft_from_the_latest_version_and_what_is_sent(caller: Caller, team: Account) -> None:
    shape = make_shape(account=team, base_model=make_model(account=team), shape_id="mine")
    latest = make_version(shape=shape, context=1024, gpus=2, trainer_image_tag="1")
    status, patched = caller.patch(f"{SHAPES}/mine", {"maxSupportedContextLength": 2048})
    assert status == 200
    assert (patched["maxSupportedContextLength"], patched["acceleratorCount"], patched["trainerImageTag"]) == (
        2048,
        2,
        "1",
    )
    draft = newest_version()
    assert (draft.state, draft.based_on) == (VersionState.DRAFT, latest)
    assert caller.get(f"{SHAPES}/mine")[1]["maxSupportedContextLength"] == 1024


def test_the_mask_says_what_of_the_body_is_taken(caller: Caller, team: Account) -> None:
    make_shape_of(caller, team, nodeCount=2, trainerShardingScheme={"tensorParallelism": 2, "expertParallelism": 2})
    change = {
        "nodeCount": 4,
        "displayName": "New",
        "trainerShardingScheme": {"tensorParallelism": 4, "contextParallelism": 8},
    }
    for mask, expected in (
        ("nodeCount", (4, "", 2, 2, 1)),
        ("node_count,displayName", (4, "New", 2, 2, 1)),
        ("trainerShardingScheme.tensorParallelism", (2, "", 4, 2, 1)),
        ("trainer_sharding_scheme", (2, "", 4, 2, 8)),
        ("*", (4, "New", 4, 2, 8)),
        ("", (4, "New", 4, 2, 8)),
    ):
        first = ShapeVersion.objects.earliest("pk")
        ShapeVersion.objects.exclude(pk=first.pk).delete()
        status, patched = caller.patch(f"{SHAPES}/mine?updateMask={mask}", change)
        assert status == 200, patched
        scheme = patched["trainerShardingScheme"]
        found = tuple(scheme[f"{kind}Parallelism"] for kind in ("tensor", "expert", "context"))
        assert (patched["nodeCount"], patched["displayName"], *found) == expected, mask
    for mask, sentence in (
        ("colour", "'colour' is no field"),
        ("description", "description is not in the body"),
        ("name", "name is not in the body, or cannot be set"),
        ("trainerShardingScheme.pipelineParallelism", "trainerShardingScheme.pipelineParallelism is not in the body"),
    ):
        assert sentence in violations(caller.patch(f"{SHAPES}/mine?updateMask={mask}", change))["updateMask"]


def test_facts_are_made_unknown_by_their_empty_values(caller: Caller, team: Account) -> None:
    make_shape_of(caller, team, trainerShardingScheme={"tensorParallelism": 2})
    empty = {
        "acceleratorType": "ACCELERATOR_TYPE_UNSPECIFIED",
        "baseModelWeightPrecision": "WEIGHT_PRECISION_UNSPECIFIED",
        "modelType": "",
        "parameterCount": "0",
        "trainerImageTag": "",
        "trainerShardingScheme": None,
    }
    status, patched = caller.patch(f"{SHAPES}/mine", empty)
    assert status == 200, patched
    assert {name: patched[name] for name in empty} == empty
    snapshot = newest_version().frozen_snapshot
    assert (snapshot.accelerator_type, snapshot.parameter_count, snapshot.trainer_sharding_scheme) == (None, None, None)


def test_a_shape_keeps_its_base_model(caller: Caller, team: Account) -> None:
    make_shape_of(caller, team)
    other = make_model(account=team)
    assert set(violations(caller.patch(f"{SHAPES}/mine", {"baseModel": other.name}))) == {"baseModel"}


def test_another_mode_brings_its_own_fields(caller: Caller, team: Account) -> None:
    make_shape_of(caller, team)
    assert caller.patch(f"{SHAPES}/mine", {"trainerMode": "FORWARD_ONLY"})[0] == 200
    assert "lora_rank" not in {field.name for field in newest_version().fields}
    answer = caller.patch(f"{SHAPES}/mine", {"trainerMode": "TRAINER_MODE_UNSPECIFIED", "nodeCount": 2})
    assert "Use one of POLICY_TRAINER, LORA_TRAINER, FORWARD_ONLY." in violations(answer)["trainerMode"]


def test_a_shape_is_deleted_with_its_versions_unless_a_launch_refers_to_it(caller: Caller, team: Account) -> None:
    make_shape_of(caller, team)
    caller.patch(f"{SHAPES}/mine", {"nodeCount": 2})
    assert caller.delete(f"{SHAPES}/mine") == (200, {})
    assert caller.get(f"{SHAPES}/mine")[0] == caller.delete(f"{SHAPES}/mine")[0] == 404
    assert ShapeVersion.objects.count() == 0
    model = make_model(account=make_account(account_id="local"), model_id="tiny-qwen3")
    used = make_version(shape=make_shape(base_model=model, account=team), gpus=0, context=2048)
    make_launch(account=team, version=used)
    answer = caller.delete(f"/v1/{used.shape.name}")
    assert reason(answer) == (400, 9, "FAILED_PRECONDITION")
    assert "Launches refer to" in answer[1]["message"]


def test_validated_is_the_word_of_the_keys_user(caller: Caller, team: Account, publisher: User) -> None:
    make_shape_of(caller, team)
    version = only_version()
    assert marks(caller.patch(f"/v1/{version.name}", {"validated": True})) == (True, False, False)
    validation = Validation.objects.get()
    assert (validation.requested_by, validation.kind) == (publisher, "BY_HAND")
    assert validation.requested_label == f"petra (key {publisher.api_keys.get().name})"
    assert validation.reason == "Set through the API."  # every reader of the shape sees it
    assert marks(caller.patch(f"/v1/{version.name}", {"validated": True})) == (True, False, False)
    assert Validation.objects.count() == 1


def test_what_a_provider_can_run_is_not_vouched_for(team: Account) -> None:
    local = make_account(account_id="local")
    caller = make_caller(account=local, user=make_member(account=local, role=Role.PUBLISHER))
    draft = make_tiny_version(state=VersionState.DRAFT)
    answer = caller.patch(f"/v1/{draft.name}", {"validated": True})
    assert reason(answer) == (400, 9, "FAILED_PRECONDITION")
    assert "Have it validated there; a run shows more than a word." in answer[1]["message"]


def test_public_publishes_what_is_validated_and_nothing_else(caller: Caller, team: Account) -> None:
    make_shape_of(caller, team)
    path = f"/v1/{only_version().name}"
    answer = caller.patch(path, {"public": True})
    assert reason(answer) == (400, 9, "FAILED_PRECONDITION")
    assert "is not validated" in answer[1]["message"]
    assert marks(caller.patch(path, {"validated": True, "public": True})) == (True, True, True)
    assert marks(caller.patch(path, {"public": True})) == (True, True, True)
    answer = caller.patch(path, {"public": False})
    assert reason(answer) == (400, 9, "FAILED_PRECONDITION")
    assert "Withdraw it" in answer[1]["message"]
    assert marks(caller.get(path)) == (True, True, True)


def test_both_or_neither(caller: Caller, team: Account) -> None:
    make_shape_of(caller, team, acceleratorType="ACCELERATOR_TYPE_UNSPECIFIED")
    path = f"/v1/{only_version().name}"
    answer = caller.patch(path, {"validated": True, "public": True})
    assert set(violations(answer)) == {"acceleratorType"}  # users of the shape have to know
    assert marks(caller.get(path)) == (False, False, False)


def test_an_older_public_version_that_is_called_public_again_does_not_come_back(caller: Caller, team: Account) -> None:
    shape = make_shape(account=team, base_model=make_model(account=team))
    old = make_version(shape=shape)
    new = make_version(shape=shape)
    assert marks(caller.patch(f"/v1/{old.name}", {"public": True})) == (True, True, False)
    assert marks(caller.get(f"/v1/{new.name}")) == (True, True, True)


def test_not_validated_withdraws_for_good(caller: Caller, team: Account) -> None:
    shape = make_shape(account=team, base_model=make_model(account=team))
    old = make_version(shape=shape)
    new = make_version(shape=shape)
    assert marks(caller.patch(f"/v1/{shape.name}/versions/latest", {"validated": False})) == (False, True, False)
    assert marks(caller.get(f"/v1/{shape.name}/versions/latest"))[2]
    assert caller.get(f"/v1/{shape.name}/versions/latest")[1]["name"] == old.name
    for change in ({"validated": True}, {"validated": True, "public": True}):
        answer = caller.patch(f"/v1/{new.name}", change)
        assert reason(answer) == (400, 9, "FAILED_PRECONDITION")
        assert "was withdrawn for good" in answer[1]["message"]
    assert marks(caller.patch(f"/v1/{new.name}", {"validated": False})) == (False, True, False)
    entry = AuditEntry.objects.get(verb="withdraw_version")
    assert (entry.reason, entry.actor_label) == (
        "Set through the API.",
        f"petra (key {User.objects.get(username='petra').api_keys.get().name})",
    )


@pytest.mark.parametrize("state", [VersionState.DRAFT, VersionState.REJECTED])
def test_every_state_before_validated(caller: Caller, team: Account, state: VersionState) -> None:
    shape = make_shape(account=team, base_model=make_model(account=team))
    path = f"/v1/{make_version(shape=shape, state=state).name}"
    assert marks(caller.patch(path, {"validated": False, "public": False})) == (False, False, False)
    assert caller.patch(path, {"public": True})[1]["code"] == 9
    assert marks(caller.patch(path, {"validated": True})) == (True, False, False)


def test_what_is_being_validated_is_left_alone() -> None:
    validation = make_validation()
    local = validation.version.shape.account
    caller = make_caller(account=local, user=make_member(account=local, role=Role.PUBLISHER))
    path = f"/v1/{validation.version.name}"
    for change in ({"validated": True}, {"public": True}):
        assert reason(caller.patch(path, change)) == (400, 9, "FAILED_PRECONDITION")
    assert marks(caller.patch(path, {"validated": False})) == (False, False, False)
    validation.refresh_from_db()
    assert validation.state == "QUEUED"


def test_fields_that_are_read_only_or_unknown(caller: Caller, team: Account) -> None:
    version = make_version(shape=make_shape(account=team, base_model=make_model(account=team)))
    path = f"/v1/{version.name}"
    whole = caller.get(path)[1]
    assert caller.patch(path, whole)[0] == 200  # as clients send a whole resource back
    assert set(violations(caller.patch(path, {"deprecated": True}))) == {"deprecated"}
    assert set(violations(caller.patch(path, {"public": "perhaps"}))) == {"public"}
    assert caller.patch(f"{path}?updateMask=public", {"public": True, "validated": False})[1]["validated"]


def test_a_withdrawn_version_is_not_seen_as_validated_by_a_filter(caller: Caller, team: Account) -> None:
    version = make_version(shape=make_shape(account=team, base_model=make_model(account=team)), latest=False)
    ShapeVersion.objects.filter(pk=version.pk).update(withdrawn_at=timezone.now())
    path = f"/v1/{version.shape.name}/versions?filter=validated"
    assert caller.get(f"{path}=true")[1]["totalSize"] == 0
    assert caller.get(f"{path}=false")[1]["totalSize"] == 1


def test_deployment_shapes_are_known_by_the_shapes_that_link_them(caller: Caller, team: Account) -> None:
    name = "accounts/fireworks/deploymentShapes/rft-qwen3-8b/versions/gyiqbrd6"
    make_shape_of(caller, team, deploymentShapeVersion=name, deploymentImageTag="7")
    status, found = caller.get(f"/v1/{name}")
    assert (status, found["name"], found["deploymentImageTag"]) == (200, name, "7")
    other = make_caller(
        account=make_account(account_id="team-b"),
        user=make_member(account=make_account(account_id="team-b"), role=Role.PUBLISHER),
    )
    assert other.get(f"/v1/{name}")[0] == 404


def test_a_deployment_shape_is_what_its_own_account_says_of_it(caller: Caller, team: Account) -> None:
    name = "accounts/team-a/deploymentShapes/mine/versions/gyiqbrd6"
    strangers = make_shape(account=make_account(account_id="team-b"), base_model=make_model())
    make_version(shape=strangers, deployment_shape_version=name, deployment_image_tag="wrong")
    assert caller.get(f"/v1/{name}")[1]["deploymentImageTag"] == "wrong"
    make_shape_of(caller, team, deploymentShapeVersion=name, deploymentImageTag="7")
    make_version(shape=strangers, deployment_shape_version=name, deployment_image_tag="newer and wrong")
    assert caller.get(f"/v1/{name}")[1]["deploymentImageTag"] == "7"


def test_what_was_withdrawn_is_seen_by_its_own_account_only(caller: Caller, team: Account) -> None:
    deployment = "accounts/fireworks/deploymentShapes/rft-qwen3-8b/versions/gyiqbrd6"
    shape = make_shape(account=team, base_model=make_model(account=team))
    kept = make_version(shape=shape)
    withdrawn = make_version(shape=shape, deployment_shape_version=deployment)
    lone = make_version(shape=make_shape(account=team, base_model=shape.base_model))
    for version in (withdrawn, lone):
        assert marks(caller.patch(f"/v1/{version.name}", {"validated": False})) == (False, True, False)
    versions = {version.name for version in (kept, withdrawn, lone)}
    paths = [f"/v1/{name}" for name in (withdrawn.name, lone.name, lone.shape.name, deployment)]
    paths.append(f"/v1/{lone.shape.name}/versions")
    other = make_account(account_id="team-b")
    stranger = make_caller(account=other, user=make_member(account=other, role=Role.PUBLISHER))
    for reader, seen, status in ((caller, versions, 200), (stranger, {kept.name}, 404)):
        found = reader.get("/v1/accounts/-/trainingShapes/-/versions")[1]["trainingShapeVersions"]
        assert {version["name"] for version in found} == seen
        assert {reader.get(path)[0] for path in paths} == {status}
    answer = stranger.post(f"/v1/accounts/team-b/rlorTrainerJobs?trainingShape={withdrawn.name}", {})
    assert reason(answer) == (400, 9, "TRAINING_SHAPE_NOT_VALIDATED")  # whoever pinned it is told what became of it


def test_who_may_not_publish_is_refused_whatever_they_say(team: Account) -> None:
    version = make_version(shape=make_shape(account=team, base_model=make_model(account=team)))
    reader = make_caller(account=team, user=make_member(account=team, role=Role.ADMIN), scope=Scope.READ)
    launcher = make_caller(account=team, user=make_member(account=team, role=Role.LAUNCHER), scope=Scope.LAUNCH)
    for caller in (reader, launcher):
        for change in ({}, {"public": True}, {"public": False}, {"validated": True}, {"colour": "red"}):
            assert reason(caller.patch(f"/v1/{version.name}", change))[:2] == (403, 7), change
        for change in ({}, {"colour": "red"}, {"baseModel": "x"}):
            assert reason(caller.patch(f"/v1/{version.shape.name}", change))[:2] == (403, 7), change
            assert reason(caller.post(f"{SHAPES}?trainingShapeId=mine", change))[:2] == (403, 7), change
        for path in (f"{SHAPES}/none", f"/v1/{version.shape.name}"):
            assert reason(caller.delete(path))[:2] == (403, 7), path


@pytest.mark.parametrize("name", ["updateMasks", "update", "trainingShapeIds"])
def test_a_mistyped_parameter_writes_nothing(caller: Caller, team: Account, name: str) -> None:
    make_shape_of(caller, team)
    version = only_version()
    for answer in (
        caller.post(f"{SHAPES}?trainingShapeId=other&{name}=x", body(team)),
        caller.patch(f"{SHAPES}/mine?{name}=nodeCount", {"nodeCount": 2}),
        caller.patch(f"/v1/{version.name}?{name}=public", {"validated": True}),
        caller.delete(f"{SHAPES}/mine?{name}=x"),
    ):
        assert set(violations(answer)) == {name}
    assert only_version().state == VersionState.DRAFT
    assert TrainingShape.objects.count() == 1
