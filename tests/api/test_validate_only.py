"""What would become of a launch: by the API's `validateOnly` and by the form's Check, which create nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, User
from catalog.models import ShapeVersion
from connections.models import Connection
from connections.providers.errors import ProviderError, Retryable, SecretRefused, Unreachable
from connections.providers.slurm.trying import read_trial
from connections.providers.spec import TrainerSpec
from connections.providers.trials import Trial
from launches.models import Attempt, Event, Launch
from tests.api.makers import Caller
from tests.connections.remote import REMOTE, RemoteEngine, make_connection, registered
from tests.launches.makers import make_launch, make_tiny_version
from tests.makers import make_version, sign_in

pytestmark = pytest.mark.django_db
JOBS = "/v1/accounts/local/rlorTrainerJobs"
STARTS = datetime(2026, 11, 27, 8, tzinfo=UTC)
H100_FREE: dict[str, Any] = {"total": 16, "drained": 0, "accelerator_type": "NVIDIA_H100_80GB"}


class AskedEngine(RemoteEngine):
    """Can be asked beforehand, and says what it is told to."""

    trial: Trial | ProviderError = Trial(True, "Job 12 to start", STARTS, "n[1-2]")

    def try_out(self, spec: TrainerSpec) -> Trial:
        self.calls.append("try_out")
        if isinstance(self.trial, ProviderError):
            raise self.trial
        return self.trial


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Any:
    engine = AskedEngine()
    with registered(monkeypatch, REMOTE, engine):
        yield engine


@pytest.fixture
def cluster(asked: AskedEngine) -> Connection:
    return make_connection(name="cluster")


@pytest.fixture
def version(local: object) -> ShapeVersion:
    """Of 8 GPUs, which this machine never runs."""
    return make_version(gpus=8, accelerator_type="NVIDIA_H100_80GB")


def check(caller: Caller, version: ShapeVersion, body: Any = None, **query: str) -> tuple[int, Any]:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    return caller.post(f"{JOBS}?validateOnly=true&trainingShape={version.shape.name}&{asked}", body or {})


def placement(answer: tuple[int, Any]) -> Any:
    status, job = answer
    assert status == 200, job
    assert (job["state"], job["createTime"]) == ("JOB_STATE_UNSPECIFIED", None)
    return job["placement"]


def nothing_was_created() -> bool:
    made = AuditEntry.objects.filter(verb="create_launch")
    return not any(rows.exists() for rows in (Launch.objects, Attempt.objects, Event.objects, made))


def test_it_says_where_it_would_run_and_what_the_engine_says(
    caller: Caller, cluster: Connection, asked: AskedEngine, version: ShapeVersion
) -> None:
    answer = check(caller, version, {"displayName": "mine"}, rlorTrainerJobId="my-job")
    found = placement(answer)
    assert (answer[1]["name"], answer[1]["displayName"]) == ("accounts/local/rlorTrainerJobs/my-job", "mine")
    assert (found["connection"], found["outlook"]) == ("cluster", "FITS")
    assert (found["engineMessage"], found["nodes"]) == ("Job 12 to start", "n[1-2]")
    assert found["estimatedStartTime"] == "2026-11-27T08:00:00Z"
    outlooks = {each["connection"]: (each["outlook"], bool(each["reasons"])) for each in found["connections"]}
    assert outlooks == {"local": ("NEVER", True), "cluster": ("FITS", False)}
    assert asked.calls == ["try_out"]
    assert nothing_was_created()


def test_a_check_with_an_id_leaves_the_id_free_and_says_when_it_is_taken(
    caller: Caller, cluster: Connection, version: ShapeVersion
) -> None:
    path = f"{JOBS}?trainingShape={version.shape.name}&rlorTrainerJobId=one"
    assert check(caller, version, rlorTrainerJobId="one")[0] == 200
    assert caller.post(path, {})[0] == 200
    assert check(caller, version, rlorTrainerJobId="one")[0] == 409


@pytest.mark.parametrize(
    ("trial", "outlook", "words"),
    [
        (Trial(False, "Slurm refused: invalid account"), "REFUSED", "Cluster would refuse it. Slurm refused: invalid"),
        (Unreachable("No answer."), "AWAY", "It would go to Cluster, which does not answer, and wait there"),
        (Retryable("Its row is odd."), "FITS", "It would go to Cluster"),
    ],
)
def test_what_the_engine_would_refuse_and_that_it_is_silent_are_told(
    caller: Caller,
    cluster: Connection,
    asked: AskedEngine,
    version: ShapeVersion,
    trial: Trial | ProviderError,
    outlook: str,
    words: str,
) -> None:
    asked.trial = trial
    found = placement(check(caller, version))
    assert (found["outlook"], found["message"].startswith(words)) == (outlook, True), found
    assert found["engineMessage"] == (trial.words if isinstance(trial, Trial) else str(trial))
    cluster.refresh_from_db()
    assert bool(cluster.unreachable_since) == isinstance(trial, Unreachable)
    if cluster.unreachable_since:  # and is left alone for a while
        assert placement(check(caller, version))["outlook"] == "AWAY"
        assert asked.calls == ["try_out"]
    assert nothing_was_created()


def test_what_a_refused_key_says_is_for_who_set_the_key(
    caller: Caller, cluster: Connection, asked: AskedEngine, version: ShapeVersion
) -> None:
    asked.trial = SecretRefused("login.example does not take the key of slipway-bot.")
    found = placement(check(caller, version))
    assert (found["outlook"], found["message"][:30]) == ("CLOSED", "Cluster takes no launches now.")
    assert "a superuser has to put another in" in found["engineMessage"]
    assert "slipway-bot" not in str(found)


def test_a_full_connection_says_that_it_would_wait(
    caller: Caller, cluster: Connection, asked: AskedEngine, version: ShapeVersion
) -> None:
    told = {"queue_length": 2, "running": None, "slots": None}
    for free, outlook in ((7, "FULL"), (8, "FITS")):
        Connection.objects.filter(pk=cluster.pk).update(capacity=told | {"gpus": [H100_FREE | {"free": free}]})
        found = placement(check(caller, version))
        assert found["outlook"] == outlook
    Connection.objects.filter(name="local").update(capacity={"gpus": [], "queue_length": 0, "running": 2, "slots": 2})
    found = placement(check(caller, make_tiny_version(), connection="local"))
    assert (found["outlook"], found["engineMessage"]) == ("FULL", "")
    assert "2 trainers run there at a time, and as many do." in found["message"]


def test_all_that_is_wrong_is_said_at_once_with_where_it_cannot_run(
    caller: Caller, version: ShapeVersion, local: object
) -> None:
    status, refused = check(caller, version, {"trainingConfig": {"loraRank": "x", "learningRate": "y"}})
    assert status == 400
    fields = [found["field"] for found in refused["details"][1]["fieldViolations"]]
    assert fields == ["trainingConfig.loraRank", "trainingConfig.learningRate", "trainingShape"]
    status, refused = check(caller, version)
    assert (status, refused["code"]) == (400, 9)
    assert "No connection can run this." in refused["message"]
    assert nothing_was_created()


def test_a_flag_that_is_neither_launches_nothing(caller: Caller, version: ShapeVersion) -> None:
    status, refused = caller.post(f"{JOBS}?validateOnly=yes&trainingShape={version.shape.name}", {})
    assert (status, refused["details"][1]["fieldViolations"][0]["field"]) == (400, "validateOnly")
    assert nothing_was_created()


def test_the_form_checks_with_and_without_scripts(
    client: Client, launcher: User, cluster: Connection, version: ShapeVersion, asked: AskedEngine
) -> None:
    sign_in(client, launcher)
    url = reverse("launch_check", args=[version.shape.account.account_id, version.shape.shape_id])
    form = client.get(url.removesuffix("/check")).text
    assert f'formaction="{url}"' in form and f'hx-post="{url}"' in form
    for headers in ({}, {"HX-Request": "true"}):
        answer = client.post(url, {"display_name": "kept"}, headers=headers)
        assert answer.status_code == 200
        page = unescape(answer.text)
        assert "It would go to Cluster, and fits there." in page and "n[1-2]" in page
        assert "Nothing was launched." in page and ("<html" in page) == (not headers)
        wrong = client.post(url, {"lora_rank": "x", "nonsense": "1"}, headers=headers)
        assert wrong.status_code == (200 if headers else 422)
        assert "2 values cannot be used." in unescape(wrong.text)
    other = client.post(url, {"account": "elsewhere"})
    assert (other.status_code, "check it again for" in unescape(other.text)) == (422, True)
    assert 'value="kept"' in client.post(url, {"display_name": "kept"}).text
    asked.trial = Trial(False, "Slurm refused: invalid account")
    assert "would refuse it. Slurm refused: invalid account" in unescape(client.post(url, {}).text)
    assert nothing_was_created()


def test_a_check_says_that_another_version_is_the_latest_now(
    client: Client, launcher: User, cluster: Connection, version: ShapeVersion, asked: AskedEngine
) -> None:
    sign_in(client, launcher)
    url = reverse("launch_check", args=[version.shape.account.account_id, version.shape.shape_id])
    opened = {"version": version.version_id, "latest": version.version_id}
    assert "fits there" in client.post(url, opened).text
    make_version(shape=version.shape, gpus=8)
    answer = client.post(url, opened)
    assert (answer.status_code, "is not the latest version any more" in answer.text) == (409, True)


def test_a_check_of_what_was_launched_is_a_check(client: Client, launcher: User, cluster: Connection) -> None:
    launch = make_launch(owner=launcher)
    version = launch.shape_version
    sign_in(client, launcher)
    url = reverse("launch_check", args=[version.shape.account.account_id, version.shape.shape_id])
    assert client.post(url, {"idempotency_key": launch.idempotency_key}).status_code == 200
    assert Launch.objects.count() == 1


def test_reads_what_sbatch_says_of_a_job_that_it_does_not_get() -> None:
    one = "sbatch: Job 12 to start at 2026-11-26T12:40:00 using 2 processors on nodes n[1-2] in partition train\n"
    trial = read_trial(one)
    assert (trial.would_take, trial.nodes) == (True, "n[1-2]")
    assert trial.starts == datetime(2026, 11, 26, 12, 40, tzinfo=UTC)
    for odd in ("", "allocation success", one.replace("2026-", "soon-")):
        assert read_trial(odd).would_take and read_trial(odd).starts is None
