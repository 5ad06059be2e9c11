"""Models that people made, on the wire: promoted as the SDK does it, read, listed behind the base models, changed."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from accounts.models import Account, User
from accounts.scopes import Scope
from catalog.domain.advance_promotion import advance_promotion
from catalog.models import TrainedModel
from catalog.states import ModelState
from connections.providers.checkpoints import CheckpointKind
from connections.providers.spec import TrainerMode
from launches.api import models
from launches.models import Launch
from tests.api.makers import Caller, make_caller
from tests.api.test_golden import GOLDEN, settled
from tests.connections.remote import RemoteEngine
from tests.golden import check_golden
from tests.launches.makers import make_tiny_version
from tests.launches.weights import TINY, make_saved_launch, promote, whole_files
from tests.makers import make_account, make_member, make_model, make_trained_model

pytestmark = pytest.mark.django_db
_FIXED = {"launchUid": "a uid", "shapeVersion": "a version", "at": "now", "by": "lena"}
BASE = "/v1/accounts/team-a"
MODELS = f"{BASE}/models"


@pytest.fixture(autouse=True)
def home(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Models lie in a folder of the test, and nobody waits for a worker, since none runs."""
    settings.SLIPWAY_HOME = tmp_path
    monkeypatch.setattr("launches.api.models.FINISHED_SOON", 0)
    monkeypatch.setattr("launches.api.models.PATIENCE", 0)
    return tmp_path


@pytest.fixture
def owner(team: Account) -> User:
    return make_member(account=team, username="lena")


@pytest.fixture
def saved(engine: RemoteEngine, team: Account, owner: User) -> Launch:
    """A launch that saved an adapter as `final`; its ids and times are fixed."""
    launch = make_saved_launch(engine, owner=owner, account=team, key="once")
    saved, job = engine.saved.pop(("team-a", launch.job_id)), "job-done"
    engine.saved["team-a", job] = saved
    engine.artifacts = {(key[0], job, *key[2:]): content for key, content in engine.artifacts.items()}
    Launch.objects.filter(pk=launch.pk).update(job_id=job)
    launch.refresh_from_db()
    return launch


@pytest.fixture
def caller(team: Account, owner: User) -> Caller:
    return make_caller(account=team, user=owner, scope=Scope.LAUNCH)


def asked(**more: Any) -> dict[str, Any]:
    """What the SDK sends."""
    return {
        "output_model": "accounts/team-a/models/mine",
        "trainer_job_id": "accounts/team-a/rlorTrainerJobs/job-done",
        "base_model": TINY,
        **more,
    }


def check(name: str, status: int, body: Any) -> None:
    check_golden(GOLDEN / f"{name}.json", status, _fixed(settled(body)))


def _fixed(body: Any) -> Any:
    """Without what is another each time: ids of rows, and when and by which version."""
    if isinstance(body, list):
        return [_fixed(each) for each in body]
    if isinstance(body, str) and "/operations/" in body:
        return f"{body.partition('promote-')[0]}promote-uid"
    if not isinstance(body, dict):
        return body
    return {key: _FIXED.get(key) or _fixed(value) for key, value in body.items()}


def test_promoting_as_the_sdk_does_it(caller: Caller, saved: Launch, engine: RemoteEngine) -> None:
    status, answer = caller.post(f"{BASE}/checkpoints/final:promote", asked(async_promotion=True))
    check("promoting", status, answer)
    name = answer["operation"]["name"]
    made = TrainedModel.objects.get()
    advance_promotion(made.pk)
    check("operation", *caller.get(f"/v1/{name}"))
    check("trained_model", *caller.get(f"{MODELS}/mine"))

    again = caller.post(f"{BASE}/checkpoints/final:promote", asked())
    assert again == (200, {"model": caller.get(f"{MODELS}/mine")[1]})
    older = asked(hot_load_deployment_id="accounts/team-a/deployments/dep")  # as for jobs that named a deployment
    assert caller.post(f"{BASE}/checkpoints/final:promote", older) == again
    assert TrainedModel.objects.count() == 1
    listed = caller.get(f"{BASE}/rlorTrainerJobs/job-done/checkpoints")[1]["checkpoints"]
    assert [row["promotable"] for row in listed] == [True]


def test_an_adapter_is_promoted_merged_where_that_is_asked_for(caller: Caller, saved: Launch) -> None:
    path = f"{BASE}/checkpoints/final:promote"
    _, answer = caller.post(path, asked(checkpoint_type="merged_base", async_promotion=True))
    operation = answer["operation"]
    assert operation["metadata"]["statusMessage"].endswith(f"copied, to be merged into {TINY}")
    model = caller.get(f"{MODELS}/mine")[1]
    assert (model["kind"], "peftDetails" in model) == ("HF_BASE_MODEL", False)
    assert model["provenance"]["merged"].startswith("merged from the adapter accounts/team-a/rlorTrainerJobs/job-done")
    again = caller.post(path, asked(checkpointType="merged_base", asyncPromotion=True))
    assert again[1]["operation"]["name"] == operation["name"]
    assert caller.post(path, asked(checkpoint_type="base", async_promotion=True))[0] == 409


def test_a_promotion_that_fails_says_why_however_it_was_asked_for(
    caller: Caller, saved: Launch, engine: RemoteEngine
) -> None:
    key = ("team-a", "job-done", CheckpointKind.SAMPLER, "final", "tokenizer.json")
    engine.artifacts[key] = b"[]"
    _, answer = caller.post(f"{BASE}/checkpoints/final:promote", asked(async_promotion=True))
    advance_promotion(TrainedModel.objects.get().pk)
    status, operation = caller.get(f"/v1/{answer['operation']['name']}")
    assert (status, operation["done"], "response" in operation) == (200, True, False)
    assert operation["error"]["message"].startswith("tokenizer.json is not what its trainer saved")
    _, model = caller.get(f"{MODELS}/mine")
    assert (model["state"], model["status"]["message"]) == ("FAILED", operation["error"]["message"])
    assert caller.post(f"{BASE}/checkpoints/final:promote", asked())[1]["model"]["state"] == "UPLOADING", "anew"


@pytest.mark.parametrize(
    ("checkpoint", "body", "status", "field", "words"),
    [
        ("final", {"trainer_job_id": "job-done"}, 400, "trainerJobId", "no job of team-a"),
        ("final", {"trainer_job_id": "accounts/team-b/rlorTrainerJobs/x"}, 400, "trainerJobId", "no job of team-a"),
        ("final", {"trainer_job_id": "accounts/team-a/rlorTrainerJobs/none"}, 404, "", "There is no accounts"),
        ("none", {}, 404, "", "checkpoints/none"),
        ("final", {"output_model": "accounts/team-b/models/x"}, 400, "outputModel", "no model of team-a"),
        ("final", {"output_model": "My model"}, 400, "outputModel", "such as my-model"),
        ("final", {"base_model": "accounts/fireworks/models/x"}, 400, "baseModel", f"Use {TINY}"),
        ("final", {"hot_load_bucket": "x"}, 400, "hotLoadBucket", "There is no such field"),
        ("final", {"checkpoint_type": "delta"}, 400, "checkpointType", "base, merged_base"),
        ("final", {"trainerJobId": "x"}, 400, "trainer_job_id", "there twice"),
        ("final", {"output_model": "taken"}, 409, "", "taken is there already"),
    ],
)
def test_what_is_refused(
    caller: Caller, saved: Launch, checkpoint: str, body: Any, status: int, field: str, words: str
) -> None:
    make_trained_model(account=saved.account, model_id="taken")
    answered, answer = caller.post(f"{BASE}/checkpoints/{checkpoint}:promote", asked(**body))
    assert answered == status, answer
    assert words in answer["message"]
    named = [v["field"] for detail in answer["details"] for v in detail.get("fieldViolations", ())]
    assert named == ([field] if field else [])


def test_a_list_goes_on_from_base_models_to_those_that_were_made(caller: Caller, team: Account) -> None:
    for number in range(3):
        make_model(account=team, model_id=f"base-{number}", title=f"Base {number}")
        make_trained_model(account=team, model_id=f"made-{number}", display_name=f"Made {number}")
    make_trained_model(account=make_account(account_id="team-b"), model_id="theirs")
    everything = ["base-0", "base-1", "base-2", "made-0", "made-1", "made-2"]

    def pages(query: str, size: int) -> list[str]:
        found, token = [], ""
        while True:
            _, body = caller.get(f"{MODELS}?pageSize={size}&pageToken={token}&{query}")
            found += [row["name"].rpartition("/")[2] for row in body["models"]]
            assert body["totalSize"] >= len(found)
            token = body["nextPageToken"]
            if not token:
                return found

    for size in (1, 2, 3, 4, 6, 50):
        assert pages("", size) == everything, size
    assert pages("orderBy=name desc", 2) == [*everything[2::-1], *everything[:2:-1]]
    assert pages('filter=kind="HF_PEFT_ADDON"', 2) == everything[3:]
    assert pages('filter=kind!="HF_PEFT_ADDON"', 2) == everything[:3]
    assert pages('filter=state="UPLOADING"', 2) == []
    assert pages('filter=display_name:"1"', 1) == ["base-1", "made-1"]
    assert pages('filter="made 2"', 1) == ["made-2"]
    other = make_caller(
        account=make_account(account_id="team-c"),
        user=make_member(account=make_account(account_id="team-c")),
        scope=Scope.READ,
    )
    assert other.get("/v1/accounts/team-a/models")[1]["models"] == []
    _, first = caller.get(f"{MODELS}?pageSize=4")
    status, refused = caller.get(f"{MODELS}?pageSize=4&orderBy=name desc&pageToken={first['nextPageToken']}")
    assert (status, refused["message"][:9]) == (400, "pageToken")


def test_changing_and_deleting(caller: Caller, team: Account, owner: User) -> None:
    made = make_trained_model(account=team, model_id="mine", created_by=owner)
    make_model(account=team, model_id="base")
    assert caller.patch(f"{MODELS}/mine?updateMask=display_name", {"display_name": "Ours"})[1]["displayName"] == "Ours"
    for path, body, words in [
        (f"{MODELS}/mine", {}, "displayName: It is missing"),
        (f"{MODELS}/mine", {"displayName": "a" * 121}, "Shorten it by 1"),
        (f"{MODELS}/mine?updateMask=kind", {"displayName": "x"}, "Only displayName"),
        (f"{MODELS}/base", {"displayName": "x"}, "is a base model of the catalog"),
    ]:
        status, answer = caller.patch(path, body)
        assert (status, words in answer["message"]) == (400, True), answer
    assert caller.delete(f"{MODELS}/base")[0] == 400
    assert caller.delete(f"{MODELS}/mine") == (200, {})
    assert caller.get(f"{MODELS}/mine")[0] == 404
    assert caller.get(f"{BASE}/operations/promote-{made.uid.hex}")[0] == 404


def test_a_job_starts_from_a_model_and_finds_its_shape_by_it(
    engine: RemoteEngine, team: Account, owner: User, caller: Caller
) -> None:
    version = make_tiny_version(mode=TrainerMode.POLICY_TRAINER)
    promote(make_saved_launch(engine, owner=owner, account=team, version=version, files=whole_files()))
    body = {"trainingConfig": {"baseModel": "accounts/team-a/models/mine", "loraRank": 0}}
    status, job = caller.post(f"{BASE}/rlorTrainerJobs?connection=far&rlorTrainerJobId=next", body)
    assert status == 200, job
    assert job["trainingConfig"]["baseModel"] == "accounts/team-a/models/mine"
    assert caller.get(f"{MODELS}/mine")[1]["kind"] == "HF_BASE_MODEL"
    status, refused = caller.delete(f"{MODELS}/mine")
    assert (status, "1 launch not over yet: next" in refused["message"]) == (400, True)


def test_only_a_few_answers_wait_for_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "_waiting", threading.BoundedSemaphore(1))
    monkeypatch.setattr(models, "_watch", lambda model, _: models._wait_for(model, 25))
    model = TrainedModel(state=ModelState.CREATING)
    assert models._wait_for(model, 25) is model, "the second is answered at once"
