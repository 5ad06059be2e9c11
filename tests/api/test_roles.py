"""Every resource and method of the API, called by everybody who might: who may do what, in one table.

A new URL fails `test_every_url_is_in_the_table` until it has a row. Everything private belongs to account team-a.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.roles import Role
from accounts.scopes import Scope
from catalog.enums import ShapeKind
from catalog.models import ShapeVersion, TrainedModel
from catalog.states import VersionState
from connections.providers.states import AttemptState
from datasets.models import Dataset
from deployments.models import Deployment
from launches.models import Launch
from tests.api.makers import Caller, make_caller
from tests.datasets.makers import begin_dataset, make_dataset
from tests.deployments.makers import make_deployment
from tests.launches.makers import bring_to, make_launch
from tests.launches.weights import make_checkpoint
from tests.makers import make_account, make_member, make_model, make_shape, make_trained_model, make_version
from tests.roles import saved_by
from tests.test_roles import API_PREFIX

ANONYMOUS, BAD, OTHER, READER = "no key", "a made-up key", "publisher of another account", "admin with a read key"
LARGEST = {
    Role.VIEWER: Scope.READ,
    Role.LAUNCHER: Scope.LAUNCH,
    Role.PUBLISHER: Scope.PUBLISH,
    Role.ADMIN: Scope.PUBLISH,
}
PEOPLE = (ANONYMOUS, BAD, OTHER, READER, *(role.value for role in Role))
OK, BAD_REQUEST, UNAUTHENTICATED, FORBIDDEN, MISSING = 200, 400, 401, 403, 404
SHAPE = {
    "trainerMode": "LORA_TRAINER",
    "acceleratorCount": 0,
    "maxSupportedContextLength": 2048,
}


@dataclass(frozen=True)
class ApiWorld:
    """Account team-a with a caller of each role, its shapes, and launches of its launcher."""

    callers: dict[str, Caller]
    private: ShapeVersion
    public: ShapeVersion
    draft: ShapeVersion
    sampler: ShapeVersion
    deployment: Deployment
    launch: Launch
    failed: Launch
    trained: TrainedModel
    dataset: Dataset
    upload: Dataset


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> ApiWorld:
    monkeypatch.setattr("launches.api.models.FINISHED_SOON", 0)  # no worker runs here
    team = make_account(account_id="team-a")
    members = {role: make_member(account=team, role=role) for role in Role}
    callers = {role.value: make_caller(account=team, user=user, scope=LARGEST[role]) for role, user in members.items()}
    other = make_member(role=Role.PUBLISHER)
    callers |= {
        ANONYMOUS: Caller(None),
        BAD: Caller("slpw_" + "a" * 43),
        OTHER: make_caller(account=other.memberships.get().account, user=other),
        READER: make_caller(account=team, user=members[Role.ADMIN], scope=Scope.READ),
    }
    model = make_model(account=make_account(account_id="local"), model_id="tiny-qwen3")
    private = make_version(shape=make_shape(base_model=model, account=team), gpus=0, context=2048, public=False)
    public = make_version(shape=make_shape(base_model=model), gpus=0, context=2048)
    draft = make_version(shape=make_shape(base_model=model, account=team), gpus=8, state=VersionState.DRAFT)
    sampler, serving = (
        make_version(shape=make_shape(base_model=model, account=team, kind=ShapeKind.DEPLOYMENT), gpus=0, public=False)
        for _ in range(2)
    )
    failed = make_launch(owner=members[Role.LAUNCHER], account=team, version=private)
    bring_to(failed, AttemptState.FAILED)
    make_checkpoint(failed)
    return ApiWorld(
        callers=callers,
        private=private,
        public=public,
        draft=draft,
        sampler=sampler,
        deployment=make_deployment(owner=members[Role.LAUNCHER], account=team, version=serving),
        launch=make_launch(owner=members[Role.LAUNCHER], account=team, version=private),
        failed=failed,
        trained=make_trained_model(account=team, created_by=members[Role.LAUNCHER]),
        dataset=make_dataset(account=team, owner=members[Role.LAUNCHER]),
        upload=begin_dataset(account=team, owner=members[Role.LAUNCHER]),
    )


def everybody(status: int) -> dict[str, int]:
    """The same answer to all with a key."""
    return dict.fromkeys(PEOPLE, status) | {ANONYMOUS: UNAUTHENTICATED, BAD: UNAUTHENTICATED}


def members(status: int) -> dict[str, int]:
    """For keys of other accounts it is not there."""
    return everybody(status) | {OTHER: MISSING}


def at_least(role: Role, status: int) -> dict[str, int]:
    """As for members, but lesser roles and scopes may not."""
    roles = list(Role)
    lesser = {each.value: FORBIDDEN for each in roles[: roles.index(role)]}
    return members(status) | lesser | {READER: FORBIDDEN}


@dataclass(frozen=True)
class ApiCase:
    """One request, and the status that each caller gets."""

    method: str
    path: Callable[[ApiWorld], str]
    expected: dict[str, int]
    body: Callable[[ApiWorld], Any] = lambda _: None


def team(end: str) -> Callable[[ApiWorld], str]:
    """A path below team-a."""
    return lambda _: f"/v1/accounts/team-a{end}"


def of(version: Callable[[ApiWorld], ShapeVersion], end: str = "") -> Callable[[ApiWorld], str]:
    """A path below the version's shape."""
    return lambda world: f"/v1/{version(world).shape.name}{end}"


def version_of(version: Callable[[ApiWorld], ShapeVersion]) -> Callable[[ApiWorld], str]:
    """The version's path."""
    return lambda world: f"/v1/{version(world).name}"


def job(end: str = "") -> Callable[[ApiWorld], str]:
    """A path below the launch."""
    return lambda world: f"/v1/{world.launch.name}{end}"


def saved(end: str) -> Callable[[ApiWorld], str]:
    """A path below the checkpoint that the launch is writing."""
    return lambda world: f"/v1/{world.launch.name}/checkpoints/{saved_by(world.launch).name}{end}"


def new_shape(world: ApiWorld) -> dict[str, Any]:
    """The body of a shape for the model that everybody sees."""
    return SHAPE | {"baseModel": world.public.snapshot["baseModel"]}


def new_job(world: ApiWorld) -> dict[str, Any]:
    """The body of a job."""
    return {"trainingConfig": {"baseModel": world.private.snapshot["baseModel"], "loraRank": 8}}


def trained(world: ApiWorld) -> str:
    """The path of the model that the launcher made."""
    return f"/v1/{world.trained.name}"


def renamed(_: ApiWorld) -> dict[str, Any]:
    """The body that gives a model another name."""
    return {"displayName": "Ours"}


def promotion(world: ApiWorld) -> dict[str, Any]:
    """What the SDK sends to promote what the failed launch saved."""
    return {
        "output_model": "accounts/team-a/models/new",
        "trainer_job_id": world.failed.name,
        "base_model": "accounts/local/models/tiny-qwen3",
        "async_promotion": True,
    }


def new_sampler(world: ApiWorld) -> dict[str, Any]:
    """The body of a deployment shape for the same model."""
    return {name: value for name, value in new_shape(world).items() if name != "trainerMode"}


PRIVATE, PUBLIC, DRAFT = (lambda w: w.private), (lambda w: w.public), (lambda w: w.draft)


def new_deployment(world: ApiWorld) -> dict[str, Any]:
    """The body of a deployment."""
    return {"deploymentShape": world.sampler.name}


def deployed(world: ApiWorld) -> str:
    """The path of the launcher's deployment."""
    return f"/v1/{world.deployment.name}"


def rows(end: str = "") -> Callable[[ApiWorld], str]:
    """A path below the launcher's dataset that is READY."""
    return lambda world: f"/v1/{world.dataset.name}{end}"


def sent(end: str) -> Callable[[ApiWorld], str]:
    """A path below the launcher's dataset of which nothing was sent yet."""
    return lambda world: f"/v1/{world.upload.name}{end}"


SAMPLER: Callable[[ApiWorld], ShapeVersion] = lambda w: w.sampler  # noqa: E731
TABLE: dict[str, list[ApiCase]] = {
    "api_nothing": [ApiCase("get", lambda _: "/v1/nothing", everybody(MISSING))],
    "api_accounts": [ApiCase("get", lambda _: "/v1/accounts", everybody(OK))],
    "api_account": [ApiCase("get", team(""), members(OK))],
    "api_tokenizer": [ApiCase("get", lambda _: "/v1/accounts/local/models/tiny-qwen3/tokenizer", everybody(OK))],
    "api_models": [
        ApiCase("get", lambda _: "/v1/accounts/local/models", everybody(OK)),
        ApiCase("get", lambda _: "/v1/accounts/-/models", everybody(OK)),
    ],
    "api_model": [
        ApiCase("get", lambda w: f"/v1/{w.public.snapshot['baseModel']}", everybody(OK)),
        ApiCase("patch", lambda w: f"/v1/{w.public.snapshot['baseModel']}", everybody(BAD_REQUEST), renamed),
        ApiCase("get", trained, members(OK)),
        ApiCase("patch", trained, at_least(Role.LAUNCHER, OK), renamed),
        ApiCase("delete", trained, at_least(Role.LAUNCHER, OK)),
    ],
    "api_model_download": [  # its files lie nowhere here: who may take them finds none
        ApiCase("get", lambda world: f"{trained(world)}:download", at_least(Role.LAUNCHER, MISSING)),
        ApiCase("get", lambda w: f"/v1/{w.public.snapshot['baseModel']}:download", everybody(MISSING)),
    ],
    "api_model_links": [
        ApiCase("get", lambda world: f"{trained(world)}:getDownloadEndpoint", at_least(Role.LAUNCHER, OK))
    ],
    "api_promote": [
        ApiCase("post", team("/checkpoints/final:promote"), at_least(Role.LAUNCHER, OK), promotion),
        ApiCase("post", team("/checkpoints/none:promote"), at_least(Role.LAUNCHER, MISSING), promotion),
    ],
    "api_operation": [
        ApiCase("get", lambda w: f"/v1/accounts/team-a/operations/promote-{w.trained.uid.hex}", members(OK)),
        ApiCase("get", team("/operations/none"), everybody(MISSING)),
    ],
    "api_deployment_shape_version": [
        ApiCase("get", team("/deploymentShapes/none/versions/abcdefgh"), everybody(MISSING)),
        ApiCase("get", version_of(SAMPLER), members(OK)),
        ApiCase("patch", version_of(SAMPLER), at_least(Role.PUBLISHER, OK), lambda _: {"validated": False}),
    ],
    "api_deployment_shapes": [
        ApiCase("get", team("/deploymentShapes"), everybody(OK)),
        ApiCase("post", team("/deploymentShapes?deploymentShapeId=new"), at_least(Role.PUBLISHER, OK), new_sampler),
    ],
    "api_deployment_shape": [
        ApiCase("get", of(SAMPLER), members(OK)),
        ApiCase("patch", of(SAMPLER), at_least(Role.PUBLISHER, OK), lambda _: {"engine": "VLLM"}),
        ApiCase("delete", of(SAMPLER), at_least(Role.PUBLISHER, OK)),
    ],
    "api_deployment_shape_versions": [ApiCase("get", of(SAMPLER, "/versions"), members(OK))],
    "api_shapes": [
        ApiCase("get", team("/trainingShapes"), everybody(OK)),
        ApiCase("post", team("/trainingShapes?trainingShapeId=new"), at_least(Role.PUBLISHER, OK), new_shape),
    ],
    "api_shape": [
        ApiCase("get", of(PRIVATE), members(OK)),
        ApiCase("get", of(PUBLIC), everybody(OK)),
        ApiCase("patch", of(PRIVATE), at_least(Role.PUBLISHER, OK), lambda _: {"nodeCount": 2}),
        ApiCase("patch", of(PUBLIC), everybody(MISSING), lambda _: {"nodeCount": 2}),
        ApiCase("delete", of(DRAFT), at_least(Role.PUBLISHER, OK)),
        ApiCase("delete", of(PUBLIC), everybody(MISSING)),
    ],
    "api_versions": [
        ApiCase("get", of(PRIVATE, "/versions"), members(OK)),
        ApiCase("get", lambda _: "/v1/accounts/-/trainingShapes/-/versions", everybody(OK)),
    ],
    "api_version": [
        ApiCase("get", version_of(PRIVATE), members(OK)),
        ApiCase("get", version_of(PUBLIC), everybody(OK)),
        ApiCase("get", version_of(DRAFT), members(OK)),
        ApiCase("patch", version_of(DRAFT), at_least(Role.PUBLISHER, OK), lambda _: {"validated": True}),
        ApiCase("patch", version_of(PRIVATE), at_least(Role.PUBLISHER, OK), lambda _: {"public": True}),
        ApiCase("patch", version_of(PRIVATE), at_least(Role.PUBLISHER, OK), lambda _: {"validated": False}),
        ApiCase("patch", version_of(PUBLIC), everybody(MISSING), lambda _: {"validated": False}),
    ],
    "api_jobs": [
        ApiCase("get", team("/rlorTrainerJobs"), members(OK)),
        ApiCase(
            "post",
            lambda w: f"/v1/accounts/team-a/rlorTrainerJobs?trainingShape={w.private.shape.name}",
            at_least(Role.LAUNCHER, OK),
            new_job,
        ),
        ApiCase(
            "post",
            lambda w: f"/v1/accounts/team-a/rlorTrainerJobs?validateOnly=true&trainingShape={w.private.shape.name}",
            at_least(Role.LAUNCHER, OK),
            new_job,
        ),
    ],
    "api_job": [ApiCase("get", job(), members(OK)), ApiCase("delete", job(), at_least(Role.LAUNCHER, OK))],
    "api_job_cancel": [ApiCase("post", job(":cancel"), at_least(Role.LAUNCHER, OK))],
    "api_job_extend": [
        ApiCase("post", job(":extend"), at_least(Role.LAUNCHER, BAD_REQUEST), lambda _: {"steps": 5}),  # it is not over
    ],
    "api_job_resume": [
        ApiCase("post", job(":resume"), at_least(Role.LAUNCHER, BAD_REQUEST)),  # it is not over
        ApiCase("post", lambda world: f"/v1/{world.failed.name}:resume", at_least(Role.LAUNCHER, OK)),
    ],
    "api_checkpoints": [ApiCase("get", job("/checkpoints"), members(OK))],
    "api_checkpoint_download": [
        ApiCase("get", saved(":download"), at_least(Role.LAUNCHER, BAD_REQUEST)),  # not whole yet
        ApiCase("get", job("/checkpoints/none:download"), members(MISSING)),
    ],
    "api_checkpoint_links": [ApiCase("get", saved(":getDownloadEndpoint"), at_least(Role.LAUNCHER, BAD_REQUEST))],
    "api_inference_models": [ApiCase("get", lambda _: "/inference/v1/models", everybody(OK))],
    "api_deployments": [
        ApiCase("get", team("/deployments"), members(OK)),
        ApiCase("post", team("/deployments?deploymentId=new"), at_least(Role.LAUNCHER, OK), new_deployment),
    ],
    "api_deployment": [
        ApiCase("get", deployed, members(OK)),
        ApiCase("patch", deployed, at_least(Role.LAUNCHER, OK), lambda _: {"description": "Ours."}),
        ApiCase("delete", deployed, at_least(Role.LAUNCHER, OK)),
        ApiCase("get", team("/deployments/none"), everybody(MISSING)),
    ],
    "api_datasets": [
        ApiCase("get", team("/datasets"), members(OK)),
        ApiCase("post", team("/datasets"), at_least(Role.LAUNCHER, OK), lambda _: {"datasetId": "new"}),
    ],
    "api_dataset": [
        ApiCase("get", rows(), members(OK)),
        ApiCase("delete", rows(), at_least(Role.LAUNCHER, OK)),
        ApiCase("get", team("/datasets/none"), everybody(MISSING)),
    ],
    "api_dataset_endpoint": [
        ApiCase(
            "post", sent(":getUploadEndpoint"), at_least(Role.LAUNCHER, OK), lambda _: {"filenameToSize": {"a": "9"}}
        )
    ],
    "api_dataset_upload": [ApiCase("put", sent(":upload"), at_least(Role.LAUNCHER, OK), lambda _: {"text": "a row"})],
    "api_dataset_validate": [
        ApiCase("post", sent(":validateUpload"), members(BAD_REQUEST)),
        ApiCase("post", rows(":validateUpload"), members(OK)),
    ],
    "api_dataset_download": [ApiCase("get", sent(":download"), members(BAD_REQUEST))],
}


def api_names(resolver: URLResolver) -> set[str]:
    """The names of the API's URLs."""
    found = set()
    for entry in resolver.url_patterns:
        if isinstance(entry, URLPattern):
            found |= {entry.name} if (entry.name or "").startswith(API_PREFIX) else set()
        else:
            found |= api_names(entry)
    return {name for name in found if name}


def test_every_url_is_in_the_table() -> None:
    assert api_names(get_resolver()) == set(TABLE)


@pytest.mark.django_db
def test_the_answer_to_each_caller(world: ApiWorld, subtests: pytest.Subtests) -> None:
    for name, case in ((name, case) for name, cases in TABLE.items() for case in cases):
        path = case.path(world)
        with subtests.test(f"{name}: {case.method} {path}"):
            assert get_resolver().resolve(path.partition("?")[0]).url_name == name
            answers = {person: answer(case, path, caller, world) for person, caller in world.callers.items()}
            assert {person: status for person, (status, _) in answers.items()} == case.expected, answers
            for status, body in answers.values():
                if status != OK:
                    assert set(body) == {"code", "message", "details"}
                    assert body["message"].endswith((".", ")")), body


def answer(case: ApiCase, path: str, caller: Caller, world: ApiWorld) -> tuple[int, Any]:
    """What the caller is answered; what the request did is undone, so that all find the same world."""
    with transaction.atomic():
        found = caller.send(case.method, path, case.body(world))
        transaction.set_rollback(True)
    return found
