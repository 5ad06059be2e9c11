"""Trainer jobs: the three ways to make one, what is refused and in which words, and how a job ends and goes on."""

from __future__ import annotations

from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.actors import user_actor
from accounts.models import Account, AuditEntry, User
from accounts.roles import Role
from accounts.scopes import Scope
from catalog.domain.deprecate_version import deprecate_version
from catalog.models import ShapeVersion
from catalog.states import VersionState
from connections.providers.states import AttemptState, Reason
from launches.api.resources import TrainerJobSerializer, TrainingConfigSerializer
from launches.domain.apply_report import apply_report
from launches.domain.claim_attempt import claim_attempt
from launches.models import Attempt, Checkpoint, Event, Launch
from tests.api.makers import Caller, make_caller
from tests.launches.makers import NOW, attempt_of, make_launch, make_tiny_version, seen
from tests.launches.test_form_page import hidden
from tests.makers import make_member, make_version, sign_in

JOBS = "/v1/accounts/local/rlorTrainerJobs"
TINY = "accounts/local/models/tiny-qwen3"
pytestmark = pytest.mark.django_db


@pytest.fixture
def launcher(local: Account) -> User:
    return make_member(account=local, role=Role.LAUNCHER, username="lena")


def create(caller: Caller, body: Any = None, **query: str) -> tuple[int, Any]:
    """POST a job."""
    return caller.post(f"{JOBS}?{urlencode(query)}", {} if body is None else body)


def made(caller: Caller, body: Any = None, **query: str) -> Any:
    """The job that the request made."""
    status, job = create(caller, body, **query)
    assert status == 200, job
    return job


def violations(answer: tuple[int, Any]) -> dict[str, str]:
    """Fields and sentences of a refusal."""
    status, body = answer
    assert (status, body["code"]) == (400, 3), body
    return {found["field"]: found["description"] for found in body["details"][1]["fieldViolations"]}


def reason(answer: tuple[int, Any]) -> tuple[int, int, str]:
    """Status, code and the machine's word."""
    status, body = answer
    return status, body["code"], body["details"][0]["reason"]


def report(job: Any, state: AttemptState, **facts: Any) -> None:
    """What the provider says of the job, applied as by a worker."""
    launch = Launch.objects.get(job_id=job["name"].rpartition("/")[2])
    attempt = attempt_of(launch)
    Attempt.objects.filter(pk=attempt.pk).update(next_check_at=timezone.now(), lease_until=None)
    claim = claim_attempt(attempt.pk, now=timezone.now())
    assert claim is not None
    apply_report(claim, seen(state, **facts), now=timezone.now())


def test_a_bare_shape_means_its_latest_validated_version(caller: Caller) -> None:
    old = make_tiny_version()
    new = make_version(shape=old.shape, gpus=0, context=2048)
    assert made(caller, trainingShape=old.shape.name)["trainingShapeVersion"] == new.name
    assert made(caller, trainingShape=f"{old.shape.name}/versions/latest")["trainingShapeVersion"] == new.name
    assert made(caller, trainingShape=old.name)["trainingShapeVersion"] == old.name


def test_what_the_sdk_sends_is_taken_and_what_has_no_effect_is_accepted(caller: Caller) -> None:
    version = make_tiny_version()
    body = {
        "serviceMode": True,
        "keepAlive": False,
        "dataset": "",
        "useReservation": False,
        "displayName": "from the SDK",
        "trainerReplicaCount": 1,
        "inactivityTimeout": "1800s",
        "forwardOnly": False,
        "trainingConfig": {"baseModel": TINY, "loraRank": 8, "learningRate": 1e-4, "region": "", "customImageTag": ""},
        "name": "read-only, as the SDK sends a whole resource back",
        "state": "JOB_STATE_RUNNING",
    }
    job = made(caller, body, trainingShape=version.shape.name, rlorTrainerJobId="training-api-service-0123abcd")
    assert job["name"] == "accounts/local/rlorTrainerJobs/training-api-service-0123abcd"
    assert (job["state"], job["displayName"]) == ("JOB_STATE_PENDING", "from the SDK")
    assert (job["inactivityTimeout"], job["createdBy"]) == ("1800s", "lena")
    assert job["trainingConfig"]["loraRank"] == 8
    assert job["trainingConfig"]["learningRate"] == 1e-4
    assert Launch.objects.get().spec["recipe"] == "none"
    assert caller.get(f"/v1/{job['name']}")[1] == job


@pytest.mark.parametrize("timeout", ["1800s", "1800.0s", "1800.000000000s", "30m"])
def test_durations_are_read_as_protocol_buffers_write_them_and_as_people_do(caller: Caller, timeout: str) -> None:
    version = make_tiny_version()
    assert made(caller, {"inactivityTimeout": timeout}, trainingShape=version.name)["inactivityTimeout"] == "1800s"


def test_the_manual_mode_is_forbidden_with_a_reason(caller: Caller) -> None:
    for value in ("true", "True", "1"):
        answer = create(caller, {"trainingConfig": {"acceleratorType": "NVIDIA_B200_180GB"}}, skipValidations=value)
        assert reason(answer) == (403, 7, "TRAINING_SHAPE_NEEDED")
        assert "skipValidations" in answer[1]["message"]
    assert made(caller, trainingShape=make_tiny_version().name, skipValidations="false")


def test_shapes_that_cannot_be_launched_are_refused_by_name(caller: Caller, local: Account) -> None:
    draft = make_tiny_version(state=VersionState.DRAFT)
    withdrawn = make_tiny_version(latest=False)
    ShapeVersion.objects.filter(pk=withdrawn.pk).update(withdrawn_at=timezone.now())
    for name, sentence in (
        (draft.shape.name, "has no validated version that was published"),
        (f"{draft.shape.name}/versions/latest", "has no validated version that was published"),
        (draft.name, "is not validated"),
        (withdrawn.name, "was withdrawn"),
    ):
        answer = create(caller, trainingShape=name)
        assert reason(answer) == (400, 9, "TRAINING_SHAPE_NOT_VALIDATED"), name
        assert sentence in answer[1]["message"]
    for wrong in ("x", "accounts/local/trainingShapes/", f"{draft.name}/", "accounts/local/models/x"):
        assert "is no name of a shape" in violations(create(caller, trainingShape=wrong))["trainingShape"]


WRONG: dict[str, tuple[str, list[Any]]] = {
    "base_model": ("trainingConfig.baseModel", ["gpt-2", "accounts/local/models/other", " ", 7]),
    "lora_rank": ("trainingConfig.loraRank", ["abc", "1.5", "129", "-1", "9" * 30, "1e3", 129, 1.5, True]),
    "learning_rate": ("trainingConfig.learningRate", ["fast", "2", "0", "nan", "inf", "-1e-5", "1_0", 2, True]),
    "region": ("trainingConfig.region", ["eu/west", "x" * 64, "a b", "\u202eabc"]),
    "display_name": ("displayName", ["x" * 64, "tab\there", "\u200b"]),
    "trainer_replica_count": ("trainerReplicaCount", ["0", "65", "two", "", 0, 65, 10**40]),
    "inactivity_timeout": ("inactivityTimeout", ["5h", "1s", "soon", "1.5s", "10800.5s", "-1s"]),
}
"""Values that some field cannot take (or, the blank ones, can), as texts and as numbers."""


def test_the_form_and_the_api_refuse_the_same_values_in_the_same_words(
    caller: Caller, client: Client, launcher: User, subtests: pytest.Subtests
) -> None:
    version = make_tiny_version()
    url = reverse("launch_new", args=[version.shape.account.account_id, version.shape.shape_id])
    sign_in(client, launcher)
    given = hidden(client.get(url))
    for field, path, value in [(field, path, value) for field, (path, values) in WRONG.items() for value in values]:
        with subtests.test(f"{field} {value!r}"), transaction.atomic():
            form = client.post(url, given | {field: str(value)})
            head, _, inner = path.partition(".")
            answer = create(caller, {head: {inner: value} if inner else value}, trainingShape=version.name)
            if form.status_code == 422:
                found = violations(answer)
                assert set(found) == {path}
                if not isinstance(value, bool):
                    assert found[path] in unescape(form.content.decode())
            elif not isinstance(value, bool):
                assert answer[0] == 200, answer
            transaction.set_rollback(True)


def test_every_wrong_field_is_named_at_once(caller: Caller) -> None:
    version = make_tiny_version()
    body = {
        "displayName": "x" * 64,
        "nodeCount": 4,
        "forwardOnly": True,
        "trainingConfig": {
            "loraRank": 999,
            "acceleratorType": "NVIDIA_B200_180GB",
            "acceleratorCount": 8,
            "maxContextLength": 4096,
            "customImageTag": "other",
        },
    }
    found = violations(create(caller, body, trainingShape=version.name, rlorTrainerJobId="Not An Id"))
    owned = {"nodeCount", "forwardOnly"} | {
        f"trainingConfig.{name}"
        for name in ("acceleratorType", "acceleratorCount", "maxContextLength", "customImageTag")
    }
    assert set(found) == owned | {"displayName", "trainingConfig.loraRank", "rlorTrainerJobId"}
    assert all("owned by the shape" in found[name] for name in owned)


def test_an_image_may_be_named_where_it_is_the_shapes_own(caller: Caller) -> None:
    version = make_tiny_version(trainer_image_tag="0.1.0")
    assert made(caller, {"trainingConfig": {"customImageTag": "0.1.0"}}, trainingShape=version.name)
    found = violations(create(caller, {"trainingConfig": {"customImageTag": "0.1.1"}}, trainingShape=version.name))
    assert set(found) == {"trainingConfig.customImageTag"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "body"),
        ("text", "body"),
        (7, "body"),
        ({"colour": "red"}, "colour"),
        ({"trainingConfig": {"rank": 8}}, "trainingConfig.rank"),
        ({"trainingConfig": []}, "trainingConfig"),
        ({"trainingConfig": {"loraRank": [8]}}, "trainingConfig.loraRank"),
        ({"trainingConfig": {"loraRank": {"value": 8}}}, "trainingConfig.loraRank"),
        ({"serviceMode": "perhaps"}, "serviceMode"),
        ({"keepAlive": 2}, "keepAlive"),
        ({"useReservation": {}}, "useReservation"),
        ({"dataset": "accounts/local/datasets/x"}, "dataset"),
        ({"preemptible": True}, "preemptible"),
        ({"reservationTarget": "mine"}, "reservationTarget"),
        ({"trainingConfig": {"projectionHeadDim": 64}}, "trainingConfig.projectionHeadDim"),
    ],
)
def test_what_is_no_job_is_refused_by_field(caller: Caller, body: Any, field: str) -> None:
    found = violations(create(caller, body, trainingShape=make_tiny_version().name))
    assert set(found) == {field}
    assert all(sentence.endswith(".") for sentence in found.values())
    assert ("There is no such field" in found[field]) == (field in {"colour", "trainingConfig.rank"})


@pytest.mark.parametrize("value", [True, False, "true", "false"])
@pytest.mark.parametrize("field", ["serviceMode", "keepAlive", "useReservation"])
def test_switches_without_effect_are_taken_either_way(caller: Caller, field: str, value: Any) -> None:
    job = made(caller, {field: value}, trainingShape=make_tiny_version().name)
    assert (job["serviceMode"], job["keepAlive"], job["useReservation"]) == (True, False, False)


def test_null_is_as_good_as_left_out_and_so_is_what_asks_for_nothing(caller: Caller) -> None:
    version = make_tiny_version()
    plain = made(caller, {}, trainingShape=version.name)
    config = {name: None for name, field in TrainingConfigSerializer().fields.items() if not field.read_only}
    nulls = {name: None for name, field in TrainerJobSerializer().fields.items() if not field.read_only}
    nothing = {"preemptible": False, "reservationTarget": "", "trainingConfig": {"projectionHeadDim": 0}}
    assert plain["trainingConfig"]["loraRank"] == 16
    for body in (nulls, nulls | {"trainingConfig": config}, nothing):
        job = made(caller, body, trainingShape=version.name)
        assert {name for name in job if job[name] != plain[name]} == {"name", "createTime"}


@pytest.mark.parametrize("name", ["trainingShapes", "training_shapes", "x", "pageSize", "\0", "é"])
def test_a_mistyped_parameter_launches_nothing(caller: Caller, name: str) -> None:
    body = {"trainingConfig": {"baseModel": TINY, "loraRank": 8}}
    answer = create(caller, body, **{name: make_tiny_version().shape.name})
    assert (
        "Use rlorTrainerJobId, trainingShape, skipValidations, deploymentId, connection, whenInterrupted, "
        "validateOnly, readMask." in violations(answer)[name]
    )
    assert Launch.objects.count() == 0
    job = made(caller, body, rlor_trainer_job_id="mine", readMask="name")
    assert job == {"name": f"{JOBS.removeprefix('/v1/')}/mine"}
    for method, end in (("delete", ""), ("post", ":cancel"), ("post", ":resume")):
        answer = caller.send(method, f"{JOBS}/mine{end}?{urlencode({name: ''})}")
        assert set(violations(answer)) == {name}


def test_the_same_id_again_is_a_conflict_and_changes_nothing(caller: Caller) -> None:
    version = make_tiny_version()
    job = made(caller, {"displayName": "first"}, trainingShape=version.name, rlorTrainerJobId="mine")
    entries = AuditEntry.objects.count()
    for body, field in (({"colour": "red"}, "colour"), ({"preemptible": True}, "preemptible")):
        assert field in violations(create(caller, body, trainingShape=version.name, rlorTrainerJobId="mine"))
    for body, shape in (({"displayName": "second"}, version.name), ({"displayName": "x" * 99}, "nonsense")):
        answer = create(caller, body, trainingShape=shape, rlorTrainerJobId="mine")
        assert reason(answer) == (409, 6, "ALREADY_EXISTS")
    assert caller.get(f"/v1/{job['name']}")[1] == job
    assert (Launch.objects.count(), AuditEntry.objects.count()) == (1, entries)
    ShapeVersion.objects.filter(pk=version.pk).update(is_latest_validated=False, withdrawn_at=timezone.now())
    answer = create(caller, trainingShape=version.name, rlorTrainerJobId="mine")
    assert answer[0] == 409  # so that a request that is repeated finds its job, whatever became of the shape


def test_a_job_of_a_deprecated_version_is_warned_in_its_timeline(
    caller: Caller, client: Client, launcher: User, local: Account
) -> None:
    better = make_tiny_version()
    version = make_tiny_version()
    publisher = user_actor(make_member(account=local, role=Role.ADMIN))
    make_launch(version=version, account=local, owner=launcher)
    assert not Event.objects.filter(kind="warning").exists()
    deprecate_version(actor=publisher, version=version, message="It is slow.", successor=better.shape)
    made(caller, trainingShape=version.name)
    event = Event.objects.get(kind="warning")
    assert event.message == f"{version.name} is deprecated: It is slow. Use {better.shape.name} instead."
    page = sign_in(client, launcher).get(reverse("launch", args=[event.launch.uid]))
    assert event.message in unescape(page.content.decode())


def test_a_deleted_job_is_a_tombstone_whose_id_stays_taken(caller: Caller) -> None:
    version = make_tiny_version()
    job = made(caller, trainingShape=version.name, rlorTrainerJobId="mine")
    assert caller.delete(f"/v1/{job['name']}") == (200, {})
    assert caller.delete(f"/v1/{job['name']}") == (200, {})
    assert caller.get(f"/v1/{job['name']}")[1]["state"] == "JOB_STATE_DELETED"
    assert caller.get(JOBS)[1] == {"rlorTrainerJobs": [], "nextPageToken": "", "totalSize": 0}
    assert create(caller, trainingShape=version.name, rlorTrainerJobId="mine")[0] == 409
    status, body = caller.post(f"/v1/{job['name']}:resume")
    assert (status, body["code"]) == (400, 9)


def test_cancel_asks_for_the_end_and_resume_opens_the_next_attempt(caller: Caller) -> None:
    job = made(caller, trainingShape=make_tiny_version().name)
    path = f"/v1/{job['name']}"
    status, body = caller.post(f"{path}:resume")
    assert (status, body["code"]) == (400, 9)
    assert caller.post(f"{path}:cancel")[1]["state"] == "JOB_STATE_CANCELLING"
    assert caller.post(f"{path}:cancel")[1]["state"] == "JOB_STATE_CANCELLING"
    report(job, AttemptState.CANCELLED, reason=Reason.USER)
    assert caller.get(path)[1]["state"] == "JOB_STATE_CANCELLED"
    status, body = caller.post(f"{path}:cancel")
    assert (status, body["code"]) == (400, 9)
    assert caller.post(f"{path}:resume")[1]["state"] == "JOB_STATE_PENDING"


def test_a_failed_job_that_is_resumed_is_never_shown_as_failed(caller: Caller) -> None:
    job = made(caller, trainingShape=make_tiny_version().name)
    report(job, AttemptState.FAILED, reason=Reason.EXIT_CODE, detail="It ended with 1.")
    failed = caller.get(f"/v1/{job['name']}")[1]
    assert failed["state"] == "JOB_STATE_FAILED"
    assert (failed["status"]["code"], failed["status"]["message"]) == (9, "It ended with 1.")
    assert failed["status"]["details"][0]["reason"] == "EXIT_CODE"
    assert failed["completedTime"]
    resumed = caller.post(f"/v1/{job['name']}:resume")[1]
    for shown in (resumed, caller.get(f"/v1/{job['name']}")[1], caller.get(JOBS)[1]["rlorTrainerJobs"][0]):
        assert shown["state"] == "JOB_STATE_PENDING"
        assert shown["status"] == {"code": 0, "message": "", "details": []}
        assert shown["completedTime"] is None
    running = "/v1/accounts/local/rlorTrainerJobs?filter=state%3DJOB_STATE_FAILED"
    assert caller.get(running)[1]["totalSize"] == 0


def test_jobs_are_filtered_by_state_name_creator_and_time(caller: Caller, local: Account) -> None:
    version = make_tiny_version()
    other = make_caller(account=local, user=make_member(account=local, username="otto"), scope=Scope.LAUNCH)
    first = made(caller, {"displayName": "One fish"}, trainingShape=version.name)
    second = made(other, {"displayName": "Two fish"}, trainingShape=version.name)
    report(second, AttemptState.RUNNING)

    def listed(text: str) -> list[str]:
        return [job["name"] for job in caller.get(f"{JOBS}?{urlencode({'filter': text})}")[1]["rlorTrainerJobs"]]

    assert listed("") == [second["name"], first["name"]]
    assert listed("state=JOB_STATE_PENDING") == listed("state!=JOB_STATE_RUNNING") == [first["name"]]
    assert listed('display_name:"fish"') == [second["name"], first["name"]]
    assert listed('display_name="Two fish"') == listed("created_by=otto") == [second["name"]]
    assert listed(f'create_time<="{first["createTime"]}"') == [first["name"]]
    assert listed(f'create_time>"{first["createTime"]}"') == [second["name"]]
    assert "is not one of JOB_STATE_PENDING" in violations(caller.get(f"{JOBS}?filter=state=RUNNING"))["filter"]


def test_checkpoints_are_listed_from_the_oldest(caller: Caller) -> None:
    job = made(caller, trainingShape=make_tiny_version().name)
    launch = Launch.objects.get()
    for step in (20, 40):
        Checkpoint.objects.create(launch=launch, name=f"step-{step}", step=step, size_bytes=step, saved_at=NOW)
    answer = caller.get(f"/v1/{job['name']}/checkpoints")[1]
    assert [found["step"] for found in answer["checkpoints"]] == [20, 40]
    assert answer["checkpoints"][0]["checkpointType"] == "CHECKPOINT_TYPE_TRAINING_LORA"
    one = caller.get(f"/v1/{job['name']}/checkpoints?filter=step>20")[1]["checkpoints"]
    assert [found["sizeBytes"] for found in one] == ["40"]


def test_the_page_and_the_audit_log_name_the_caller_and_the_key(caller: Caller, client: Client, launcher: User) -> None:
    job = made(caller, trainingShape=make_tiny_version().name)
    label = f"lena (key {launcher.api_keys.get().name})"
    launch = Launch.objects.get()
    page = sign_in(client, launcher).get(reverse("launch", args=[launch.uid]))
    assert label in unescape(page.content.decode())
    caller.delete(f"/v1/{job['name']}")
    entries = AuditEntry.objects.filter(target=job["name"]).order_by("pk")
    assert [(entry.verb, entry.actor_label) for entry in entries] == [
        ("create_launch", label),
        ("cancel_launch", label),
        ("delete_launch", label),
    ]
    assert all(entry.request_id for entry in entries)


def test_deployments_are_refused_in_words(caller: Caller) -> None:
    assert reason(caller.post("/v1/accounts/local/deployments?deploymentId=new", {}))[:2] == (400, 3)
    one = "/v1/accounts/local/deployments/none"
    for answer in (
        caller.get(one),
        caller.patch(f"{one}?updateMask=max_replica_count", {"maxReplicaCount": 0}),
        caller.delete(f"{one}?ignoreChecks=true&hard=true"),
    ):
        assert reason(answer)[:2] == (404, 5)
