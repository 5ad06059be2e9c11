"""Whole answers, compared with files: one of every resource, every list, every write, and a refusal of every code.

A file that is missing is written, and the test fails once, so that somebody looks at it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from accounts.models import Account, User
from accounts.roles import Role
from accounts.scopes import Scope
from catalog.enums import AcceleratorType, Architecture, Engine, ShapeKind, WeightPrecision
from catalog.models import BaseModel, ShapeVersion, TrainingShape
from catalog.states import VersionState
from connections.providers.spec import ShardingScheme, TrainerMode
from connections.providers.states import AttemptState, Reason
from deployments.models import Deployment
from launches.models import Attempt, Checkpoint, Launch
from tests.api.makers import Caller, make_caller
from tests.deployments.makers import make_deployment
from tests.golden import check_golden
from tests.launches.makers import make_launch
from tests.makers import make_account, make_member, make_model, make_shape, make_version

GOLDEN = Path(__file__).resolve().parent / "golden"
MADE, STARTED, ENDED = (datetime(2026, 3, day, 9, 30, tzinfo=UTC) for day in (1, 2, 3))
SAMPLERS = "/v1/accounts/team-a/deploymentShapes"
DEPLOYMENT = "accounts/fireworks/deploymentShapes/rft-qwen3-8b/versions/gyiqbrd6"
BASE = "/v1/accounts/team-a"
SHAPE = f"{BASE}/trainingShapes/qwen3-8b-128k"
JOB = f"{BASE}/rlorTrainerJobs/job-done"
KNOWN: dict[str, Any] = {
    "mode": TrainerMode.POLICY_TRAINER,
    "context": 128_000,
    "gpus": 4,
    "description": "The documented example.",
    "model_type": "qwen3",
    "parameter_count": 8_190_735_360,
    "accelerator_type": AcceleratorType.NVIDIA_B200_180GB,
    "trainer_sharding_scheme": ShardingScheme(context_parallelism=4),
    "base_model_weight_precision": WeightPrecision.BFLOAT16,
    "trainer_image_tag": "0.383.0",
    "deployment_shape_version": DEPLOYMENT,
    "deployment_image_tag": "5.20.0",
}
"""All that a shape can say."""
pytestmark = pytest.mark.django_db


@pytest.fixture
def team() -> Account:
    return make_account(account_id="team-a", display_name="Team A")


@pytest.fixture
def publisher(team: Account) -> User:
    return make_member(account=team, role=Role.PUBLISHER, username="petra")


@pytest.fixture
def caller(team: Account, publisher: User) -> Caller:
    """A publisher of team-a, which has a known shape, a bare one, and two jobs; all at fixed times."""
    qwen = make_model(
        account=team,
        model_id="qwen3-8b",
        title="Qwen 3 8B",
        architecture=Architecture.DENSE,
        model_type="qwen3",
        parameter_count=8_190_735_360,
    )
    make_version(
        shape=make_shape(base_model=qwen, shape_id="qwen3-8b-128k", display_name="128k policy"),
        version_id="vnuk8fdq",
        **KNOWN,
    )
    sampler = make_version(
        shape=make_shape(base_model=qwen, shape_id="qwen3-8b-sampler", kind=ShapeKind.DEPLOYMENT),
        version_id="gyiqbrd6",
        gpus=8,
        engine=Engine.VLLM,
        accelerator_type=AcceleratorType.NVIDIA_B200_180GB,
        deployment_image_tag="5.20.0",
    )
    tiny = make_model(account=make_account(account_id="local"), model_id="tiny-qwen3", title="Tiny", architecture="")
    bare = make_version(
        shape=make_shape(base_model=tiny, account=team, shape_id="tiny"),
        version_id="aaaaaaaa",
        gpus=0,
        context=2048,
        public=False,
    )
    make_version(shape=bare.shape, version_id="bbbbbbbb", gpus=0, context=2048, state=VersionState.DRAFT)
    done = _launch(publisher, team, bare, "job-done", state=AttemptState.FAILED, finished_at=ENDED, started_at=STARTED)
    Attempt.objects.filter(launch=done).update(reason=Reason.EXIT_CODE, detail="The trainer ended with exit code 1.")
    _launch(publisher, team, bare, "job-waits", state=AttemptState.QUEUED)
    make_deployment(owner=publisher, account=team, version=sampler, deployment_id="serves", trainer=done)
    Checkpoint.objects.create(launch=done, name="step-20", step=20, size_bytes=4096, saved_at=STARTED)
    _freeze()
    return make_caller(account=team, user=publisher)


@pytest.fixture
def draft(caller: Caller) -> None:
    """A draft of the known shape, which says as much."""
    shape = TrainingShape.objects.select_related("account", "base_model__account").get(shape_id="qwen3-8b-128k")
    make_version(
        shape=shape, version_id="cccccccc", state=VersionState.DRAFT, **KNOWN | {"description": "The next one."}
    )


def _launch(
    owner: User, team: Account, version: ShapeVersion, job: str, *, state: AttemptState, **times: Any
) -> Launch:
    launch = make_launch(owner=owner, account=team, version=version, display_name=f"My {job}", lora_rank=8)
    Launch.objects.filter(pk=launch.pk).update(job_id=job, state=state)
    Attempt.objects.filter(launch=launch).update(state=state, **times)
    return launch


def _freeze() -> None:
    """Write the times of all rows, those that a trigger keeps, too."""
    for rows in (Account, BaseModel, TrainingShape, Launch, Deployment):
        rows.objects.update(created_at=MADE)
    Deployment.objects.update(updated_at=MADE)
    with connection.cursor() as cursor:
        connection.check_constraints()  # a table with checks that are still to be made cannot be altered
        cursor.execute("ALTER TABLE catalog_shapeversion DISABLE TRIGGER USER")
        ShapeVersion.objects.update(created_at=MADE, updated_at=STARTED)
        connection.check_constraints()
        cursor.execute("ALTER TABLE catalog_shapeversion ENABLE TRIGGER USER")


GETS = {
    "accounts": "/v1/accounts",
    "account": BASE,
    "models": "/v1/accounts/-/models",
    "model": f"{BASE}/models/qwen3-8b",
    "shapes": f"{BASE}/trainingShapes?orderBy=name",
    "shape": SHAPE,
    "versions": f"{BASE}/trainingShapes/-/versions?orderBy=name",
    "version": f"{SHAPE}/versions/latest",
    "version_with_mask": f"{SHAPE}/versions/latest?readMask=name,snapshot.trainerMode,validated",
    "page": f"{BASE}/trainingShapes/-/versions?pageSize=1&orderBy=name&readMask=name",
    "linked_deployment_shape": f"/v1/{DEPLOYMENT}",
    "deployment_shapes": SAMPLERS,
    "deployment_shape": f"{SAMPLERS}/qwen3-8b-sampler",
    "deployment_shape_versions": f"{SAMPLERS}/-/versions",
    "deployment_shape_version": f"{SAMPLERS}/qwen3-8b-sampler/versions/gyiqbrd6",
    "deployments": f"{BASE}/deployments",
    "deployment": f"{BASE}/deployments/serves",
    "jobs": f"{BASE}/rlorTrainerJobs?orderBy=name",
    "job": JOB,
    "checkpoints": f"{JOB}/checkpoints",
}
WRITES: dict[str, tuple[str, str, Any]] = {
    "created_shape": (
        "post",
        f"{BASE}/trainingShapes?trainingShapeId=new",
        {
            "displayName": "New",
            "description": "Made by the API.",
            "baseModel": "accounts/team-a/models/qwen3-8b",
            "trainerMode": "LORA_TRAINER",
            "acceleratorType": "NVIDIA_H200_141GB",
            "acceleratorCount": 8,
            "nodeCount": 2,
            "maxSupportedContextLength": 65_536,
            "trainerShardingScheme": {"tensorParallelism": 4, "sequenceParallelism": True},
            "baseModelWeightPrecision": "BFLOAT16",
            "trainerImageTag": "0.383.0",
        },
    ),
    "changed_shape": ("patch", SHAPE, {"description": "For longer texts.", "maxSupportedContextLength": 256_000}),
    "deleted_shape": ("delete", SHAPE, None),
    "published_version": ("patch", f"{SHAPE}/versions/cccccccc", {"validated": True, "public": True}),
    "withdrawn_version": ("patch", f"{SHAPE}/versions/vnuk8fdq", {"validated": False}),
    "created_deployment_shape": (
        "post",
        f"{SAMPLERS}?deploymentShapeId=new",
        {"baseModel": "accounts/team-a/models/qwen3-8b", "acceleratorCount": 8, "maxSupportedContextLength": 65_536},
    ),
    "created_job": (
        "post",
        f"{BASE}/rlorTrainerJobs?rlorTrainerJobId=job-new&trainingShape=accounts/team-a/trainingShapes/tiny",
        {
            "displayName": "My new job",
            "inactivityTimeout": "1800s",
            "trainingConfig": {
                "baseModel": "accounts/local/models/tiny-qwen3",
                "loraRank": 32,
                "learningRate": 2e-4,
            },
        },
    ),
    "changed_deployment": ("patch", f"{BASE}/deployments/serves", {"maxReplicaCount": 0, "minReplicaCount": 0}),
    "deleted_deployment": ("delete", f"{BASE}/deployments/serves", None),
    "cancelled_job": ("post", f"{BASE}/rlorTrainerJobs/job-waits:cancel", None),
    "resumed_job": ("post", f"{JOB}:resume", None),
    "deleted_job": ("delete", JOB, None),
}
REFUSALS: dict[str, tuple[str, str, Any]] = {
    "invalid_argument": (
        "post",
        f"{BASE}/rlorTrainerJobs?trainingShape=accounts/team-a/trainingShapes/tiny",
        {"nodeCount": 2, "trainingConfig": {"loraRank": 999}},
    ),
    "invalid_filter": ("get", f"{BASE}/trainingShapes?filter=colour=red", None),
    "not_found": ("get", f"{BASE}/trainingShapes/none", None),
    "already_exists": ("post", f"{BASE}/rlorTrainerJobs?rlorTrainerJobId=job-done", {}),
    "permission_denied": ("post", f"{BASE}/rlorTrainerJobs?skipValidations=true", {}),
    "failed_precondition": (
        "post",
        f"{BASE}/rlorTrainerJobs",
        {"trainingConfig": {"baseModel": "accounts/local/models/tiny-qwen3", "maxContextLength": 4096, "loraRank": 8}},
    ),
    "method_not_allowed": ("put", "/v1/accounts", None),
}


def check(name: str, status: int, body: Any) -> None:
    """Compare with the file of that name."""
    check_golden(GOLDEN / f"{name}.json", status, body)


def settled(body: Any) -> Any:
    """The body with "now" for the times at which the request wrote."""
    known = {moment.strftime("%Y-%m-%d") for moment in (MADE, STARTED, ENDED)}
    if not isinstance(body, dict):
        return body
    return {
        name: "now" if name.endswith("Time") and value and value[:10] not in known else settled(value)
        for name, value in body.items()
    }


def test_what_is_read(caller: Caller, subtests: pytest.Subtests) -> None:
    for name, path in GETS.items():
        with subtests.test(name):
            status, body = caller.get(path)
            if body.get("nextPageToken"):
                body["nextPageToken"] = "signed"
            check(name, status, body)


@pytest.mark.parametrize("name", WRITES)
def test_what_a_write_answers(name: str, caller: Caller, draft: None) -> None:
    method, path, sent = WRITES[name]
    status, body = caller.send(method, path, sent)
    check(name, status, settled(body))


def test_what_a_new_deployment_answers(caller: Caller, team: Account, settings: Any) -> None:
    tiny = BaseModel.objects.get(model_id="tiny-qwen3")
    serves = make_version(
        shape=make_shape(base_model=tiny, account=team, shape_id="tiny-sampler", kind=ShapeKind.DEPLOYMENT),
        version_id="dddddddd",
        gpus=0,
        context=2048,
    )
    body = {"deploymentShape": serves.name, "minReplicaCount": 0, "maxReplicaCount": 1, "enableHotLoad": True}
    status, answer = caller.post(f"{BASE}/deployments?deploymentId=new", body)
    check("created_deployment", status, settled(answer))
    settings.SLIPWAY_LOCAL_PROVIDER = False
    check("refused_unimplemented", *caller.post(f"{BASE}/deployments?deploymentId=other", body))


def test_what_is_left_of_a_deleted_job(caller: Caller) -> None:
    caller.delete(JOB)
    check("tombstone", *caller.get(JOB))


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_refused(name: str, caller: Caller) -> None:
    method, path, body = REFUSALS[name]
    check(f"refused_{name}", *caller.send(method, path, body))


def test_what_a_smaller_scope_or_no_key_is_told(caller: Caller, team: Account, publisher: User) -> None:
    reader = make_caller(account=team, user=publisher, scope=Scope.READ)
    check("refused_scope", *reader.delete(JOB))
    check("refused_unauthenticated", *Caller(None).get(BASE))
    check("refused_key", *Caller("slpw_" + "a" * 43).get(BASE))


def test_what_a_fault_of_ours_is_told(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("made by the test")

    monkeypatch.setattr("api.accounts.answer_list", fail)
    answer = Client(raise_request_exception=False).get("/v1/accounts", headers={"X-Api-Key": caller.secret or ""})
    check("refused_internal", answer.status_code, answer.json())


def test_every_file_is_somebodys() -> None:
    others = {"promoting", "operation", "trained_model"}  # of tests/api/test_models.py
    others |= {"created_deployment", "refused_unimplemented"}
    others |= {"dataset", "datasets", "refused_dataset"}  # of tests/api/test_datasets.py
    others |= {"tombstone", "refused_scope", "refused_unauthenticated", "refused_key", "refused_internal"}
    known = {*GETS, *WRITES, *(f"refused_{name}" for name in REFUSALS), *others}
    assert {path.stem for path in GOLDEN.iterdir()} == known
