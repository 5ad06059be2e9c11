"""The pages of models that an account made, and the form that promotes a checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from accounts.models import Account, User
from catalog.domain.advance_promotion import advance_promotion
from catalog.models import TrainedModel
from catalog.states import ModelKind, ModelState
from connections.providers.spec import TrainerMode
from tests.connections.remote import RemoteEngine
from tests.launches.makers import make_launch, make_tiny_version
from tests.launches.weights import adapter_files, make_saved_launch, promote, whole_files
from tests.makers import make_member, make_trained_model, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(settings: Settings, tmp_path: Path) -> Path:
    settings.SLIPWAY_HOME = tmp_path
    return tmp_path


@pytest.fixture
def owner(team: Account) -> User:
    return make_member(account=team, username="lena")


@pytest.fixture
def browser(owner: User) -> Client:
    return sign_in(Client(), owner)


def text(browser: Client, path: str, *, htmx: bool = False) -> str:
    answer = browser.get(path, headers={"HX-Request": "true"} if htmx else {})
    assert answer.status_code == 200, answer
    return " ".join(answer.content.decode().split())


def test_the_list_says_how_to_get_a_model_and_what_is_in_force(browser: Client, team: Account, owner: User) -> None:
    assert "keep the best weights, by a button of the launch" in text(browser, "/models")
    make_trained_model(account=team, model_id="mine", display_name="My first", created_by=owner)
    make_trained_model(account=team, model_id="whole", kind=ModelKind.FULL, state=ModelState.CREATING)
    page = text(browser, "/models?kind=full")
    assert "1 model<" in page
    assert "whole" in page
    assert "My first" not in page
    assert "My first" in text(browser, "/models?q=first&owner=me")
    assert "In force: text none, kind Adapter. Loosen" in text(browser, "/models?q=none&kind=adapter")
    assert browser.get("/models?kind=odd&sort=x").status_code == 422


def test_the_list_costs_the_same_however_many_there_are(browser: Client, team: Account, owner: User) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            text(browser, "/models")
        return len(captured)

    make_trained_model(account=team, created_by=owner)
    few = queries()
    for _ in range(5):
        make_trained_model(account=team, created_by=owner)
    assert queries() == few


def test_from_the_form_to_the_page_of_the_model(
    browser: Client, team: Account, owner: User, engine: RemoteEngine
) -> None:
    files = adapter_files(more={"optimizer.pt": b"x"})
    launch = make_saved_launch(engine, owner=owner, account=team, files=files, display_name="Nightly 3")
    page = f"/launches/{launch.uid}/checkpoints/final/promote"
    assert browser.get(page).status_code == 404, "nobody asked the provider yet"
    promote(launch, model_id="other", made=False)
    form = text(browser, page)
    assert 'value="nightly-3-final"' in form
    assert "optimizer.pt" in form
    refused = browser.post(page, {"display_name": "Mine", "model_id": "My Model"})
    assert refused.status_code == 422
    assert "such as my-model" in refused.content.decode()
    made = browser.post(page, {"display_name": "Mine", "model_id": "mine"})
    assert (made.status_code, made["Location"]) == (303, "/models/team-a/mine")
    assert browser.post(page, {"display_name": "", "model_id": "mine"})["Location"] == "/models/team-a/mine", "again"

    being_made = text(browser, "/models/team-a/mine")
    assert 'hx-trigger="every 2s"' in being_made
    assert "Load it" not in being_made
    advance_promotion(TrainedModel.objects.get(model_id="mine").pk)
    panel = text(browser, "/models/team-a/mine", htmx=True)
    assert panel.startswith('<div id="model" data-state="READY"')
    assert "every 2s" not in panel
    for words in (launch.name, launch.shape_version.name, "PeftModel.from_pretrained(base, &quot;mine&quot;)", "rank"):
        assert words in panel
    assert "optimizer.pt" in panel
    assert "Promoted" in panel
    assert "promoted to mine" in text(browser, f"/launches/{launch.uid}")


def test_the_page_of_a_launch_leads_to_the_form(
    browser: Client, team: Account, owner: User, engine: RemoteEngine
) -> None:
    launch = make_saved_launch(engine, owner=owner, account=team)
    promote(launch, made=False)
    assert f"/launches/{launch.uid}/checkpoints/final/promote" in text(browser, f"/launches/{launch.uid}")


def test_a_whole_model_offers_the_shapes_that_fit(
    browser: Client, team: Account, owner: User, engine: RemoteEngine
) -> None:
    version = make_tiny_version(mode=TrainerMode.POLICY_TRAINER)
    model = promote(make_saved_launch(engine, owner=owner, account=team, version=version, files=whole_files()))
    page = text(browser, "/models/team-a/mine")
    form = f"/shapes/local/{version.shape.shape_id}/launch?base_model=accounts%2Fteam-a%2Fmodels%2Fmine"
    assert form in page
    assert f'<option value="{model.name}" selected>' in text(browser, form)

    follower = make_launch(owner=owner, account=team, version=version, connection="far", base_model=model.name)
    asked = text(browser, "/models/team-a/mine/delete")
    assert follower.job_id in asked
    assert "Delete it" not in asked
    refused = browser.post("/models/team-a/mine/delete")
    assert refused.status_code == 422
    assert "1 launch not over yet" in refused.content.decode()


def test_what_a_failed_one_says_and_how_one_is_deleted(browser: Client, team: Account, owner: User) -> None:
    make_trained_model(
        account=team, model_id="mine", state=ModelState.FAILED, detail="The disk is full.", created_by=owner
    )
    assert 'nothing of it was kept. Its id is free.</p><p class="mt-1' in text(browser, "/models/team-a/mine")
    made = make_trained_model(account=team, model_id="base", created_by=owner)
    make_trained_model(account=team, model_id="adapter-of-it", base_model=made.name, created_by=owner)
    asked = text(browser, "/models/team-a/base/delete")
    assert "adapter-of-it" in asked
    assert "They are of no use without it." in asked
    answer = browser.post("/models/team-a/base/delete", follow=True)
    assert "base was deleted; 4.0\xa0KB are free." in answer.content.decode()


def test_a_name_that_is_refused_stays_to_be_seen(browser: Client, team: Account, owner: User) -> None:
    make_trained_model(account=team, model_id="mine", created_by=owner)
    refused = browser.post("/models/team-a/mine/rename", {"display_name": "a" * 121})
    assert refused.status_code == 422
    assert "Shorten it by 1" in refused.content.decode()
    assert "a" * 121 in refused.content.decode()
    assert browser.post("/models/team-a/mine/rename", {"display_name": "Ours"}).status_code == 303
    assert "Ours" in text(browser, "/models/team-a/mine")
