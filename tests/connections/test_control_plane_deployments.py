"""Requests and answers of deployments on another control plane, as values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connections.providers.attempts import Observation, Reference
from connections.providers.control_plane import deployments
from connections.providers.control_plane.account import AccountThere
from connections.providers.control_plane.client import ControlPlaneClient
from connections.providers.control_plane.deployments import OWNER, START, STOPPED, mark_of
from connections.providers.control_plane.jobs import Catalogs
from connections.providers.control_plane.samplers import ControlPlaneSamplers
from connections.providers.errors import Rejected
from connections.providers.samplers import SamplerSubmission
from connections.providers.states import AttemptState, Reason
from tests.connections.sampler_contract import make_spec
from tests.connections.test_control_plane_jobs import ANYTHING

CATALOGS = Catalogs({"team": "local"})
SPEC = make_spec(
    base_model="accounts/team/models/tiny-qwen3",
    deployment_shape_version="accounts/team/deploymentShapes/sampler/versions/abcd1234",
)
SUBMISSION = SamplerSubmission(Reference("team-a", "dep", 3), SPEC, "sls-secret", least=1, most=2)
JOB = "accounts/local/rlorTrainerJobs/probe-1"
NAME = "accounts/local/deployments/s7k2f-dep"
URL = "https://there.example"
FIELDS = st.sampled_from(
    ["name", "state", "status", "replicaCount", "desiredReplicaCount", "maxReplicaCount", "annotations", "baseModel"]
)


def test_it_is_asked_for_as_the_sdk_asks() -> None:
    """All that the official SDK sends, under the same names (its own recording), and whose and which start it is."""
    body = deployments.creation(SUBMISSION, CATALOGS, JOB)
    assert body == {
        "baseModel": "accounts/local/models/tiny-qwen3",
        "description": "accounts/team-a/deployments/dep",
        "minReplicaCount": 1,
        "maxReplicaCount": 2,
        "enableHotLoad": True,
        "forTraining": False,
        "hotLoadBucketType": "FW_HOSTED",
        "hotLoadTrainerJob": JOB,
        "deploymentShape": "accounts/local/deploymentShapes/sampler/versions/abcd1234",
        "annotations": {OWNER: mark_of("sls-secret"), START: "3"},
    }
    assert "sls-secret" not in str(body)
    assert "hotLoadTrainerJob" not in deployments.creation(SUBMISSION, CATALOGS, "")


def test_another_start_sets_what_may_be_another_now() -> None:
    body = deployments.creation(SUBMISSION, CATALOGS, JOB)
    later = replace(SUBMISSION, reference=Reference("team-a", "dep", 4), most=5)
    changed = deployments.changes(body, later, CATALOGS, JOB)
    annotations = {OWNER: mark_of("sls-secret"), START: "4"}
    assert changed == {
        "minReplicaCount": 1, "maxReplicaCount": 5, "annotations": annotations, "hotLoadTrainerJob": JOB
    }  # fmt: skip
    served = deployments.changes(body | {"baseModel": "accounts/local/models/other"}, later, CATALOGS, "")
    assert served["baseModel"] == "accounts/local/models/tiny-qwen3"
    over = deployments.ending(body)
    assert over == {
        "minReplicaCount": 0, "maxReplicaCount": 0, "annotations": body["annotations"] | {START: f"3{STOPPED}"}
    }  # fmt: skip
    assert (deployments.start_of(over), deployments.is_stopped(over)) == (3, True)
    assert deployments.ending(over) == over
    assert deployments.ending({}) == {"minReplicaCount": 0, "maxReplicaCount": 0}


def test_another_ones_is_told_apart() -> None:
    body = deployments.creation(SUBMISSION, CATALOGS, JOB)
    assert deployments.differences(body | {"baseModel": "accounts/local/models/other"}, body) == []
    other = body | {"annotations": {OWNER: mark_of("sls-of-another")}}
    assert deployments.differences(other, body) == [f"annotations.{OWNER}"]
    mute = {name: value for name, value in body.items() if name != "annotations"}
    assert deployments.differences(mute, body) == []
    assert deployments.differences(mute | {"deploymentShape": "x"}, body) == ["deploymentShape"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"state": "CREATING"}, Observation(AttemptState.CREATING, "Its sampler is being made there.")),
        ({"state": "READY", "replicaCount": 2}, Observation(AttemptState.RUNNING, ready=True, replicas=2)),
        ({"state": "READY"}, Observation(AttemptState.RUNNING, ready=True)),
        (
            {"state": "READY", "desiredReplicaCount": 1, "replicaCount": 0},
            Observation(AttemptState.RUNNING, replicas=0),
        ),
        (
            {"state": "READY", "desiredReplicaCount": 0, "replicaCount": 0, "maxReplicaCount": 1},
            Observation(AttemptState.CANCELLED, "It was scaled to 0 there, where nobody asked it for a while.",
                        Reason.INACTIVE),
        ),
        (
            {"state": "UPDATING", "replicaCount": 1},
            Observation(AttemptState.RUNNING, "Its replicas are being changed there.", ready=True, replicas=1),
        ),
        ({"state": "UPDATING"}, Observation(AttemptState.CREATING, "Its replicas are being changed there.")),
        (
            {"state": "UPDATING", "replicaCount": 1, "maxReplicaCount": 0},
            Observation(AttemptState.CANCELLING, "It was scaled to 0 there."),
        ),
        (
            {"state": "READY", "annotations": {START: f"3{STOPPED}"}},
            Observation(AttemptState.CANCELLED, "It was scaled to 0 there.", Reason.USER),
        ),
        (
            {"state": "FAILED", "status": {"message": "No room."}, "maxReplicaCount": 0},
            Observation(AttemptState.FAILED, "No room."),
        ),
        ({"state": "DELETING"}, Observation(AttemptState.CANCELLING, "It is being deleted there.")),
        (
            {"state": "STATE_NEW"},
            Observation(AttemptState.PENDING, "Its state there is STATE_NEW, of which Slipway knows nothing."),
        ),
    ],
)  # fmt: skip
def test_what_a_state_there_means_here(said: dict[str, Any], expected: Observation) -> None:
    seen = deployments.observation({"name": NAME, **said}, URL)
    where = URL if expected.state is AttemptState.RUNNING else ""
    assert seen == replace(expected, endpoint=where, remote_id=NAME, remote_state=said["state"])


@given(st.dictionaries(FIELDS, ANYTHING))
def test_whatever_it_answers_is_an_observation(said: dict[str, Any]) -> None:
    seen = deployments.observation(said, URL)
    assert said.get("state") or not seen.ready
    deployments.start_of(said)
    deployments.ending(said)


def test_what_is_not_there_is_told_beforehand() -> None:
    assert deployments.reasons_against(SPEC, CATALOGS) == []
    assert deployments.reasons_against(replace(SPEC, snapshot="step-1"), CATALOGS) == [], "its trainer saved that there"
    mine = "accounts/team-a/models/mine"
    foreign = replace(SPEC, deployment_shape_version="accounts/x/deploymentShapes/s/versions/abcd1234", snapshot=mine)
    assert deployments.reasons_against(foreign, CATALOGS) == [
        f"It runs deployment shapes of team only, and {foreign.deployment_shape_version} is of another account.",
        f"{mine} is not there: it serves a base model, and what is hot-loaded from a trainer that runs there. "
        "Choose one of these.",
    ]


class _Standing(ControlPlaneClient):
    """A control plane with that one deployment."""

    def call(self, method: str, path: str, *rest: Any, **more: Any) -> dict[str, Any]:
        body = deployments.creation(SUBMISSION, CATALOGS, "")
        return {"name": f"accounts/local/deployments/{path.rpartition('/')[2]}", "state": "READY", **body}


def test_what_was_made_runs_whatever_the_catalogs_say_since() -> None:
    there = AccountThere(_Standing(URL, "fw_key"), "0123456789", "local")
    samplers = ControlPlaneSamplers(there, Catalogs({"another": "local"}))
    samplers.start(SUBMISSION)
    assert samplers.observe(SUBMISSION.reference).ready
    with pytest.raises(Rejected, match="is of another account"):
        samplers.start(replace(SUBMISSION, reference=replace(SUBMISSION.reference, attempt=4)))
