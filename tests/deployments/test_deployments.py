"""The life of a deployment, by the API and a worker's steps, on an engine in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.actors import user_actor
from accounts.models import Account, AuditEntry, User
from accounts.roles import Role
from accounts.scopes import Scope
from catalog.models import ShapeVersion, TrainedModel
from catalog.states import ModelKind, ModelState
from connections.kinds import SLURM
from connections.models import Connection
from connections.providers.attempts import Observation
from connections.providers.checkpoints import CheckpointKind
from connections.providers.states import AttemptState, Reason
from deployments.domain.advance_deployment import advance_deployment
from deployments.domain.wake_deployment import wake_deployment
from deployments.gateway import leads_to_sampler
from deployments.models import Deployment
from deployments.placement import NO_SAMPLERS, reasons_against
from deployments.resolved import spec_of
from deployments.served import ServedWeights
from launches.domain.delete_model import delete_model
from launches.models import Checkpoint, Launch
from tests.api.makers import Caller, make_caller
from tests.connections.remote import CAPABILITIES, make_connection, registered
from tests.deployments.engine import ASKED, SERVING, UP, Samplers, ServingEngine
from tests.launches.makers import make_launch
from tests.makers import make_account, make_member, make_shape, make_trained_model, make_version, sign_in
from wire.errors import FailedPrecondition

pytestmark = pytest.mark.django_db
ALL = "/v1/accounts/team-a/deployments"
ONE = f"{ALL}/dep"
IDLE = Observation(AttemptState.CANCELLED, "No call for 60 minutes.", Reason.INACTIVE)


@pytest.fixture
def caller(team: Account, lena: User) -> Caller:
    return make_caller(account=team, user=lena, scope=Scope.LAUNCH)


def body(version: ShapeVersion, **changes: Any) -> dict[str, Any]:
    """As the SDK sends it."""
    return {
        "baseModel": version.snapshot["baseModel"],
        "description": "Fireworks training deployment",
        "minReplicaCount": 0,
        "maxReplicaCount": 1,
        "enableHotLoad": True,
        "forTraining": False,
        "hotLoadBucketType": "FW_HOSTED",
        "deploymentShape": version.name,
    } | changes


def step() -> None:
    """What a worker does once it is due."""
    row = Deployment.objects.latest("pk")
    Deployment.objects.filter(pk=row.pk).update(next_check_at=timezone.now() - timedelta(seconds=1))
    advance_deployment(row.pk)


def state(caller: Caller) -> tuple[str, int, int]:
    answer = caller.get(ONE)[1]
    return answer["state"], answer["desiredReplicaCount"], answer["replicaCount"]


def test_it_lives_as_the_sdk_drives_it(caller: Caller, samplers: Samplers, version: ShapeVersion) -> None:
    made = caller.post(f"{ALL}?deploymentId=dep", body(version))
    assert made[0] == 200, made
    assert {name: made[1][name] for name in body(version)} == body(version)
    assert (made[1]["name"], made[1]["state"]) == ("accounts/team-a/deployments/dep", "CREATING")
    assert caller.post(f"{ALL}?deploymentId=dep", body(version))[0] == 409
    step()
    assert state(caller) == ("CREATING", 1, 0)
    samplers.say(UP)
    step()
    assert state(caller) == ("READY", 1, 1)
    row = Deployment.objects.get()
    assert (row.start, row.endpoint, row.log_tail) == (1, "http://127.0.0.1:9", "hello\n")
    assert [line["message"] for line in row.events] == ["Accepted", "Ready"]
    assert caller.get(ALL)[1]["totalSize"] == 1
    assert caller.patch(ONE, {"maxReplicaCount": 0, "minReplicaCount": 0})[1]["state"] == "UPDATING"
    step()
    assert state(caller) == ("READY", 0, 0)
    assert caller.patch(f"{ONE}?updateMask=max_replica_count", {"maxReplicaCount": 5})[0] == 400  # of four at most
    assert caller.patch(f"{ONE}?updateMask=max_replica_count", {"maxReplicaCount": 2})[0] == 200
    step()
    samplers.say(UP)
    step()
    assert (state(caller), Deployment.objects.get().start) == (("READY", 1, 1), 2)
    assert caller.delete(f"{ONE}?ignoreChecks=true&hard=true") == (200, {})
    assert state(caller)[0] == "DELETING"
    step()
    assert caller.get(ONE)[0] == 404
    assert samplers.deleted == [row.reference.job]
    gone = Deployment.objects.get()
    assert (gone.log_tail, [line["message"] for line in gone.events][-1]) == ("", "Deleted")
    assert caller.delete(ONE)[0] == 404
    assert caller.post(f"{ALL}?deploymentId=dep", body(version))[0] == 200  # its id is free again
    verbs = AuditEntry.objects.filter(target="accounts/team-a/deployments/dep").order_by("pk")
    assert [entry.verb for entry in verbs] == [
        "create_deployment", "update_deployment", "update_deployment", "delete_deployment", "create_deployment",
    ]  # fmt: skip


def test_it_loads_the_weights_of_its_trainer_and_of_another_one_after_a_new_start(
    caller: Caller, samplers: Samplers, version: ShapeVersion, team: Account, lena: User
) -> None:
    near, far = Connection.objects.get(name="near"), make_connection(name="far", kind=SERVING)
    jobs = [make_launch(owner=lena, account=team) for _ in range(3)]
    for job, connection in zip(jobs, (near, near, far), strict=True):
        type(job).objects.filter(pk=job.pk).update(connection=connection)
    caller.post(f"{ALL}?deploymentId=dep", body(version, hotLoadTrainerJob=jobs[0].name))
    step()
    samplers.say(UP)
    step()
    answer = caller.patch(f"{ONE}?updateMask=hot_load_trainer_job", {"hotLoadTrainerJob": jobs[1].name})
    assert (answer[1]["state"], answer[1]["hotLoadTrainerJob"]) == ("UPDATING", jobs[1].name)
    for _ in range(3):
        step()
        samplers.say(UP) if len(samplers.seen) == 2 else None
    assert state(caller) == ("READY", 1, 1)
    assert [spec.trainer_job for spec in samplers.specs.values()] == [jobs[0].job_id, jobs[1].job_id]
    refused = caller.patch(f"{ONE}?updateMask=hot_load_trainer_job", {"hotLoadTrainerJob": jobs[2].name})
    assert (refused[0], "where its weights are not" in refused[1]["message"]) == (400, True)


def test_a_job_that_names_its_deployment_is_the_one_whose_weights_that_loads(
    caller: Caller, samplers: Samplers, version: ShapeVersion, team: Account, lena: User
) -> None:
    trains = make_version(shape=make_shape(account=team, base_model=version.shape.base_model))
    make_connection(name="a-first", kind=SERVING)  # where it would run without the deployment's
    caller.post(f"{ALL}?deploymentId=dep", body(version))
    Deployment.objects.update(connection=Connection.objects.get(name="near"))
    step()
    jobs = f"/v1/accounts/team-a/rlorTrainerJobs?trainingShape={trains.name}"

    def create(job: str, field: object, parameter: str = "", who: Caller = caller) -> tuple[int, str]:
        asked = {"hotLoadDeploymentId": field}
        status, answer = who.post(f"{jobs}&rlorTrainerJobId={job}&deploymentId={parameter}", asked)
        return status, answer.get("message", answer["name"].rpartition("/")[2] if status == 200 else "")

    for field, parameter, words in (
        ("none", "", "There is no deployment 'none' in team-a. Create it before"),
        ("", "accounts/team-b/deployments/dep", "There is no deployment"),
        ("dep", "other", "Send the same, or one."),
    ):
        status, message = create("wrong", field, parameter)
        assert (status, words in message) == (400, True), message
    other = make_caller(account=team, user=make_member(account=team, role=Role.LAUNCHER), scope=Scope.LAUNCH)
    assert create("theirs", "dep", who=other)[0] == 403
    checked = caller.post(f"{jobs}&rlorTrainerJobId=asked&validateOnly=true", {"hotLoadDeploymentId": "dep"})
    assert (checked[0], checked[1]["placement"]["connection"]) == (200, "near")
    assert not Launch.objects.exists(), "both or neither"
    assert create("empty", None, "%20") == (200, "empty")
    assert caller.get(ONE)[1].get("hotLoadTrainerJob") is None

    for number, named in enumerate((("dep", "dep"), ("", "dep"), ("accounts/team-a/deployments/dep", ""))):
        assert create(f"job-{number}", *named) == (200, f"job-{number}")
        launch = Launch.objects.get(job_id=f"job-{number}")
        assert caller.get(ONE)[1]["hotLoadTrainerJob"] == launch.name
        assert (launch.connection.name, launch.tied_at is None) == ("near", False)
    assert Deployment.objects.get().sampler_spec.trainer_job == "job-2"
    caller.delete(ONE)
    assert create("job-0", "dep", "dep")[0] == 409, "a request that is repeated finds its job"
    assert create("job-3", "dep")[0] == 400, "it is being deleted"


def test_its_bounds_are_handed_on_and_whose_trainer_is_over_may_idle_there(
    caller: Caller, samplers: Samplers, version: ShapeVersion, team: Account, lena: User
) -> None:
    job = make_launch(owner=lena, account=team)
    Launch.objects.update(connection=Connection.objects.get(name="near"))
    caller.post(f"{ALL}?deploymentId=dep", body(version, hotLoadTrainerJob=job.name, minReplicaCount=1))
    step()
    assert samplers.bounds == (1, 1)
    samplers.say(replace(UP, replicas=1))
    caller.patch(f"{ONE}?updateMask=max_replica_count", {"maxReplicaCount": 3})
    step()
    assert (samplers.bounds, state(caller)) == ((1, 3), ("READY", 1, 1))
    samplers.say(replace(UP, replicas=3, remote_id="accounts/there/deployments/s7k2f-dep"))
    Launch.objects.update(state=AttemptState.COMPLETED)
    step()
    assert (samplers.bounds, state(caller)) == ((0, 3), ("READY", 1, 3))
    assert Deployment.objects.get().remote_name == "accounts/there/deployments/s7k2f-dep"


def test_one_that_was_woken_where_it_stands_ends_before_it_is_deleted(
    caller: Caller, samplers: Samplers, version: ShapeVersion
) -> None:
    caller.post(f"{ALL}?deploymentId=dep", body(version))
    for seen in (UP, Observation(AttemptState.CANCELLED, "No call.", Reason.INACTIVE)):
        step()
        samplers.say(seen)
    step()
    assert state(caller) == ("READY", 0, 0)
    samplers.say(UP)
    caller.delete(ONE)
    step()
    assert caller.get(ONE)[0] == 404
    assert not samplers.seen


def test_what_runs_is_over_only_once_it_has_ended_there(
    caller: Caller, samplers: Samplers, version: ShapeVersion, subtests: pytest.Subtests
) -> None:
    caller.post(f"{ALL}?deploymentId=dep", body(version))
    step()
    samplers.say(UP)
    step()
    with subtests.test("a refusal ends nothing that was seen to run"):
        samplers.rejects = "It is of another catalog."
        step()
        row = Deployment.objects.get()
        assert (state(caller), row.running, row.detail) == (("READY", 1, 1), True, samplers.rejects)
    samplers.takes_its_time = True
    with subtests.test("one that was not seen yet is ended first"):
        Deployment.objects.update(endpoint="")
        step()
        row = Deployment.objects.get()
        assert (row.running, row.state, "is being ended, since it" in row.detail) == (True, "READY", True)
    with subtests.test("so is one in a start that is not known here any more"):
        samplers.rejects = ""
        samplers.seen = {replace(each, attempt=7): seen for each, seen in samplers.seen.items()}
        caller.delete(ONE)
        step()
        row = Deployment.objects.get()
        assert (row.running, row.state, samplers.deleted) == (True, "DELETING", [])
        samplers.takes_its_time = False
        step()
        assert (Deployment.objects.get().state, samplers.seen) == ("DELETED", {})


def test_a_connection_that_does_not_answer_is_left_alone_for_a_while(
    caller: Caller, samplers: Samplers, version: ShapeVersion
) -> None:
    caller.post(f"{ALL}?deploymentId=dep", body(version))
    samplers.away = "It is away."
    step()
    silent = Connection.objects.get(name="near")
    assert (silent.last_error, silent.next_try_at is not None, samplers.asked) == ("It is away.", True, 1)
    step()
    row = Deployment.objects.get()
    assert (samplers.asked, row.next_check_at, row.lease_token) == (1, silent.next_try_at, None)
    samplers.away = ""
    Connection.objects.update(next_try_at=timezone.now() + timedelta(minutes=2))
    step()
    soon = timezone.now() + timedelta(seconds=11)  # whoever else finds before then that it answers need not tell us
    assert (samplers.asked, Deployment.objects.get().next_check_at < soon) == (1, True)
    Connection.objects.update(next_try_at=timezone.now() - timedelta(seconds=1))
    step()
    assert (samplers.asked, Connection.objects.get(name="near").last_error) == (2, "")


def test_one_that_is_wanted_again_while_it_ends_has_not_failed(
    caller: Caller, samplers: Samplers, version: ShapeVersion
) -> None:
    caller.post(f"{ALL}?deploymentId=dep", body(version))
    step()
    samplers.say(UP)
    step()
    samplers.takes_its_time = True
    caller.patch(ONE, {"maxReplicaCount": 0})
    step()
    caller.patch(ONE, {"maxReplicaCount": 1})
    samplers.say(ASKED)
    for _ in range(2):
        step()
        assert state(caller) == ("UPDATING", 1, 0)
    samplers.say(UP)
    step()
    assert (state(caller), Deployment.objects.get().start) == (("READY", 1, 1), 2)


def test_it_serves_what_was_made_and_what_was_saved_where_that_fits(
    caller: Caller, samplers: Samplers, version: ShapeVersion, team: Account, lena: User, subtests: pytest.Subtests
) -> None:
    base = version.snapshot["baseModel"]
    whole = make_trained_model(account=team, model_id="whole", kind=ModelKind.FULL, base_model=base, root_model=base)
    make_trained_model(account=team, model_id="thin", base_model=base, root_model=base)
    make_trained_model(account=team, model_id="on-whole", base_model=whole.name, root_model=base)
    make_trained_model(account=team, model_id="other", kind=ModelKind.FULL)
    make_trained_model(account=team, model_id="other-thin")
    make_trained_model(account=team, model_id="new", base_model=base, root_model=base, state=ModelState.CREATING)
    make_trained_model(account=team, model_id="far", base_model=base, root_model=base, elsewhere={"name": "x"})
    make_trained_model(account=make_account(account_id="team-b"), model_id="theirs", base_model=base, root_model=base)
    shape = make_shape(account=team, base_model=version.shape.base_model)
    job = make_launch(owner=lena, account=team, version=make_version(shape=shape), lora_rank=8)
    Launch.objects.filter(pk=job.pk).update(connection=Connection.objects.get(name="near"))
    facts: dict[str, Any] = {"launch": job, "step": 1, "size_bytes": 1, "saved_at": timezone.now(), "lora_rank": 8}
    for name, kind in (("final", CheckpointKind.SAMPLER), ("state", CheckpointKind.TRAINING)):
        Checkpoint.objects.create(**facts, kind=kind, name=name)
    Checkpoint.objects.create(**facts, kind=CheckpointKind.SAMPLER, name="half", writing=True)
    models, saved = "accounts/team-a/models", f"{job.name}/checkpoints"
    for name, expected in [
        (base, (base, "", 0)),
        (f"{models}/whole", (f"{models}/whole", "", 0)),
        (f"{models}/thin", (base, f"{models}/thin", 16)),
        (f"{models}/on-whole", (f"{models}/whole", f"{models}/on-whole", 16)),
        (f"{saved}/final", (base, f"cross_job://{job.job_id}/final", 8)),
    ]:
        with subtests.test(name=name):
            made = caller.post(f"{ALL}?deploymentId=dep", body(version, baseModel=name))
            assert (made[0], made[1].get("baseModel")) == (200, name), made
            step()
            spec = samplers.specs[Deployment.objects.latest("pk").reference]
            assert (spec.base_model, spec.snapshot, spec.lora_rank) == expected
            caller.delete(ONE)
            step()
    for name, words in [
        (f"{models}/other", f"serves {base}, and what is of its type and size. Use a deployment shape of accounts/loc"),
        (f"{models}/other-thin", "which was trained from accounts/local/models/tiny-qwen3, does not fit"),
        (f"{models}/new", "is CREATING. Use it once it is READY."),
        (f"{models}/far", "stays at its connection, as x"),
        (f"{models}/none", f"is not what the shape serves. Use {base}"),
        ("accounts/team-b/models/theirs", "is not what the shape serves"),
        (f"{saved}/state", "that was saved for sampling"),
        (f"{saved}/half", "is being written"),
        (f"{saved}/none", "that was saved for sampling"),
    ]:
        with subtests.test(name=name):
            status, answer = caller.post(f"{ALL}?deploymentId=dep", body(version, baseModel=name))
            (violation,) = [v for detail in answer["details"] for v in detail.get("fieldViolations", ())]
            assert (status, violation["field"]) == (400, "baseModel")
            assert words in violation["description"]
    Launch.objects.filter(pk=job.pk).update(connection=make_connection(name="far", kind="slurm"))
    assert caller.post(f"{ALL}?deploymentId=dep", body(version, baseModel=f"{saved}/final"))[0] == 501


def test_what_it_serves_is_kept_and_can_be_changed(
    caller: Caller, samplers: Samplers, version: ShapeVersion, team: Account, lena: User
) -> None:
    base = version.snapshot["baseModel"]
    model = make_trained_model(account=team, model_id="thin", base_model=base, root_model=base, created_by=lena)
    caller.post(f"{ALL}?deploymentId=dep", body(version, baseModel=model.name))
    with pytest.raises(FailedPrecondition, match="is served by accounts/team-a/deployments/dep"):
        delete_model(actor=user_actor(lena), model=model)
    step()
    samplers.say(UP)
    step()
    changed = caller.patch(f"{ONE}?updateMask=base_model", {"baseModel": base})
    assert (changed[1]["state"], changed[1]["baseModel"]) == ("UPDATING", base)
    step()
    step()
    assert [spec.snapshot for spec in samplers.specs.values()] == [model.name, ""]
    samplers.say(UP)
    step()
    version.shape.base_model.former_ids = ["once"]
    version.shape.base_model.save()
    same = caller.patch(f"{ONE}?updateMask=base_model", {"baseModel": "accounts/team-a/models/once"})
    assert (same[1].get("state"), same[1].get("baseModel")) == ("READY", base), same  # it is not started anew
    caller.patch(f"{ONE}?updateMask=base_model", {"baseModel": model.name})
    caller.delete(ONE)
    step()
    delete_model(actor=user_actor(lena), model=model)
    assert not TrainedModel.objects.exists()


def test_it_comes_back_with_what_it_served_last(
    caller: Caller, samplers: Samplers, version: ShapeVersion, team: Account, lena: User
) -> None:
    near, jobs = Connection.objects.get(name="near"), [make_launch(owner=lena, account=team) for _ in range(2)]
    Launch.objects.update(connection=near)
    caller.post(f"{ALL}?deploymentId=dep", body(version, hotLoadTrainerJob=jobs[0].name))
    step()
    samplers.say(UP)
    step()
    samplers.say(replace(IDLE, serving="step-7"))
    step()
    assert state(caller) == ("READY", 0, 0)
    wake_deployment(actor=user_actor(lena), deployment=Deployment.objects.get())
    step()
    told = list(samplers.specs.values())
    assert [(spec.trainer_job, spec.snapshot) for spec in told] == [(jobs[0].job_id, ""), (jobs[0].job_id, "step-7")]
    samplers.say(Observation(AttemptState.FAILED, "Job has no snapshot 'step-7'.", Reason.EXIT_CODE))
    step()
    failed = caller.get(ONE)[1]["status"]["message"]
    assert "has no snapshot 'step-7'" in failed
    assert "to start with step-7, the last that it served" in failed
    caller.patch(f"{ONE}?updateMask=hot_load_trainer_job", {"hotLoadTrainerJob": jobs[1].name})
    step()
    newest = samplers.specs[Deployment.objects.get().reference]
    assert (newest.trainer_job, newest.snapshot) == (jobs[1].job_id, ""), "the other one's weights are not its own"


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        (IDLE, ("READY", 0, 0)),
        (Observation(AttemptState.FAILED, "Slipway was stopped.", Reason.HOST_STOPPED), ("UPDATING", 1, 0)),
        (Observation(AttemptState.FAILED, "It ended with 1.", Reason.EXIT_CODE), ("FAILED", 1, 0)),
    ],
)
def test_a_sampler_that_ends_by_itself(
    caller: Caller, samplers: Samplers, version: ShapeVersion, ending: Observation, expected: tuple[str, int, int]
) -> None:
    caller.post(f"{ALL}?deploymentId=dep", body(version))
    step()
    samplers.say(UP)
    step()
    samplers.say(ending)
    step()
    assert state(caller) == expected
    step()
    assert len(samplers.seen) == (2 if expected[0] == "UPDATING" else 1)
    if expected[0] == "FAILED":
        assert caller.get(ONE)[1]["status"]["message"] == "It ended with 1."
        assert caller.patch(ONE, {"maxReplicaCount": 1})[1]["state"] == "UPDATING"  # tried again
        step()
        assert len(samplers.seen) == 2


def test_what_is_refused_creates_nothing(
    caller: Caller, samplers: Samplers, version: ShapeVersion, team: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    trains = make_version(shape=make_shape(account=team, base_model=version.shape.base_model))

    def refused(changes: dict[str, Any], query: str = "deploymentId=dep") -> tuple[int, str]:
        status, answer = caller.post(f"{ALL}?{query}", body(version, **changes))
        fields = [v["field"] for detail in answer["details"] for v in detail.get("fieldViolations", ())]
        return status, fields[0] if fields else answer["message"]

    assert refused({}, "") == (400, "deploymentId")
    assert refused({"deploymentShape": ""}) == (400, "deploymentShape")
    assert refused({"deploymentShape": trains.name}) == (400, "deploymentShape")
    assert refused({"baseModel": "accounts/x/models/other"}) == (400, "baseModel")
    assert refused({"maxReplicaCount": 65}) == (400, "maxReplicaCount")
    assert refused({"minReplicaCount": 2}) == (400, "maxReplicaCount")
    assert refused({"acceleratorType": "NVIDIA_H100_80GB"}) == (400, "acceleratorType")
    assert refused({"extraArgs": ["--x"]}) == (400, "extraArgs")
    assert refused({"placement": {"region": "x"}}) == (400, "placement.region")
    assert refused({"hotLoadTrainerJob": "accounts/team-a/rlorTrainerJobs/none"}) == (400, "hotLoadTrainerJob")
    annotations: list[dict[str, str]] = [
        {f"a{number}": "" for number in range(65)}, {"a" * 201: ""}, {"a\0": ""}, {"a\ud800": ""}, {"a": "\0"},
        {"a": "\ud800"}, {"a": "x" * 1001}, {"\ud800": "\0"},
    ]  # fmt: skip
    for given in annotations:
        told = refused({"annotations": given})
        assert (told[0], told[1].partition(".")[0]) == (400, "annotations"), given
    many = refused({"maxReplicaCount": 5})
    assert many == (400, "No connection can run this deployment. Near: 5 are more than 4.")
    assert not Deployment.objects.exists()
    samplers.rejects = "It will not."
    assert caller.post(f"{ALL}?deploymentId=other", body(version))[0] == 200
    step()
    assert caller.get(f"{ALL}/other")[1]["status"]["message"] == "It will not."
    assert caller.delete(f"{ALL}/other")[0] == 200
    step()
    with registered(monkeypatch, SERVING, ServingEngine(capabilities=CAPABILITIES)):
        told = refused({})
    assert told == (501, "No connection can run this deployment. Near: It runs no samplers.")


def test_what_the_account_can_ask_is_listed_as_models(
    caller: Caller, samplers: Samplers, version: ShapeVersion, team: Account
) -> None:
    assert caller.get("/inference/v1/models") == (200, {"object": "list", "data": []})
    caller.post(f"{ALL}?deploymentId=dep", body(version))
    row = Deployment.objects.get()
    assert caller.get("/inference/v1/models")[1]["data"] == [
        {
            "id": row.name,
            "object": "model",
            "created": int(row.created_at.timestamp()),
            "owned_by": "team-a",
            "root": version.snapshot["baseModel"],
            "snapshot_identity": None,
            "max_model_len": version.snapshot["maxSupportedContextLength"],
            "state": "CREATING",
        }
    ]
    caller.patch(ONE, {"minReplicaCount": 0, "maxReplicaCount": 0})
    assert caller.get("/inference/v1/models")[1]["data"] == []
    other = make_account(account_id="team-b")
    stranger = make_caller(account=other, user=make_member(account=other), scope=Scope.READ)
    assert stranger.get("/inference/v1/models")[1]["data"] == []
    assert Caller("none").get("/inference/v1/models")[0] == 401
    for path, fields, expected in [
        ("/inference/v1/models", [], False),
        ("/inference/v1/models", [(b"Fireworks-Deployment", b"x")], True),
        ("/inference/v1/completions", [], True),
        ("/v1/models", [], False),
    ]:
        assert leads_to_sampler({"path": path, "headers": fields}) is expected


def test_a_kind_that_runs_no_samplers_says_so_before_the_form_and_refuses_by_name(
    caller: Caller, client: Client, version: ShapeVersion, team: Account, lena: User
) -> None:
    Connection.objects.all().delete()
    cluster = make_connection(team, name="cluster", kind=SLURM, config={"shared": "/shared"})
    trainer = make_launch(owner=lena, account=team)
    type(trainer).objects.filter(pk=trainer.pk).update(connection=cluster)
    spec = spec_of(version, team, "dep", None, ServedWeights("", version.shape.base_model.name))
    assert reasons_against(cluster, spec, 1) == ([NO_SAMPLERS], False)
    for changes in ({}, {"hotLoadTrainerJob": trainer.name}):
        status, answer = caller.post(f"{ALL}?deploymentId=dep", body(version, **changes))
        told = "No connection can run this deployment. Cluster: It runs no samplers."
        assert (status, answer["message"]) == (501, told)
    assert not Deployment.objects.exists()
    sign_in(client, lena)
    page = client.get("/shapes/team-a/sampler/deploy").content.decode()
    assert "Cluster" in page and NO_SAMPLERS in page
