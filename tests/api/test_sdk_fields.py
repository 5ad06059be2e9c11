"""Whatever the official SDK can send with a job is kept, taken as it asks for nothing, or refused with why."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.roles import Role
from launches.api.bodies import UNAVAILABLE
from launches.models import Launch
from tests.api.makers import Caller, make_caller
from tests.makers import make_account, make_member, make_model, make_shape, make_version, sign_in

pytestmark = pytest.mark.django_db
JOBS = "/v1/accounts/team-a/rlorTrainerJobs"
NOTHING: tuple[Any, ...] = (None, False, 0, 0.0, "", " ", "0", [], {}, "METHOD_UNSPECIFIED", {"a": "", "b": {"c": 0}})
SOMETHING: tuple[Any, ...] = (True, 1, "x", ["--x"], {"a": "b"}, {"a": {"b": 1}})


@pytest.fixture
def caller() -> Caller:
    model = make_model(account=make_account(account_id="local"), model_id="tiny-qwen3")
    make_version(shape=make_shape(base_model=model, shape_id="tiny"), gpus=0, context=2048)
    team = make_account(account_id="team-a")
    return make_caller(account=team, user=make_member(account=team, role=Role.PUBLISHER))


def create(caller: Caller, body: dict[str, Any], more: str = "") -> tuple[int, Any]:
    return caller.post(f"{JOBS}?trainingShape=accounts/local/trainingShapes/tiny{more}", body)


def at(path: str, value: object) -> dict[str, Any]:
    head, _, inner = path.partition(".")
    return {head: {inner: value} if inner else value}


@pytest.mark.parametrize("path", UNAVAILABLE)
def test_what_no_trainer_here_has_is_taken_where_it_asks_for_nothing_and_else_refused_with_why(
    caller: Caller, path: str
) -> None:
    text = path in {"dataset", "evaluationDataset"}  # as they are answered, too
    for value in (True, 5) if text else SOMETHING:
        status, body = create(caller, at(path, value))
        assert status == 400
        found = body["details"][-1]["fieldViolations"]
        assert [each["field"] for each in found] == [path]
        assert text or found[0]["description"].startswith("Not supported here, because ")
        assert text or found[0]["description"].endswith(". Leave it out, or empty.")
    assert create(caller, at(path, "" if text else {}))[0] == 200


def test_nothing_is_asked_for_in_any_of_the_ways_of_json(caller: Caller) -> None:
    everything = [at(path, value) for path in ("extraValues", "trainingConfig.extraArgs") for value in NOTHING]
    assert [create(caller, body)[0] for body in everything] == [200] * len(everything)


def test_labels_are_kept_and_shown(caller: Caller, client: Client) -> None:
    labels = {"purpose": "PURPOSE_PILOT", "managedBy": "accounts/team-a/supervisedFineTuningJobs/j1"}
    status, job = create(caller, labels)
    assert status == 200
    launch = Launch.objects.get(job_id=job["name"].split("/")[-1])
    for answer in (job, caller.get(f"{JOBS}/{launch.job_id}")[1], caller.get(JOBS)[1]["rlorTrainerJobs"][0]):
        assert {name: answer[name] for name in labels} == labels
    page = sign_in(client, launch.owner).get(f"/launches/{launch.uid}").content.decode()
    assert "<dt>Purpose</dt><dd>PURPOSE_PILOT</dd>" in page
    assert f"<dt>Managed by</dt><dd>{labels['managedBy']}</dd>" in page
    plain = create(caller, {"purpose": None, "managedBy": " "})[1]
    assert (plain["purpose"], plain["managedBy"]) == ("", "")
    page = client.get(f"/launches/{Launch.objects.get(job_id=plain['name'].split('/')[-1]).uid}").content.decode()
    assert "<dt>Purpose</dt>" not in page


@pytest.mark.parametrize("name", ["purpose", "managedBy"])
@pytest.mark.parametrize("value", ["x" * 201, "a\u202eb", "a\nb", {"a": 1}, True])
def test_a_label_that_cannot_be_kept_is_refused(caller: Caller, name: str, value: object) -> None:
    status, body = create(caller, {name: value})
    assert (status, body["details"][-1]["fieldViolations"][0]["field"]) == (400, name)
    assert not Launch.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        {"nodeCount": 0},
        {"trainingConfig": {"region": "REGION_UNSPECIFIED", "acceleratorType": "ACCELERATOR_TYPE_UNSPECIFIED"}},
        {"trainingConfig": {"acceleratorCount": 0, "maxContextLength": 0}},
    ],
)
def test_the_zero_of_a_field_that_the_shape_owns_sets_nothing(caller: Caller, body: dict[str, Any]) -> None:
    status, job = create(caller, body)
    assert (status, job["trainingConfig"]["region"]) == (200, "")
