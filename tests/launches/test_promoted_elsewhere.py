"""Models that a connection makes and keeps, where it has the weights: known here by name, and shown as they are."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts.actors import SYSTEM
from accounts.models import Account
from accounts.roles import Role
from accounts.scopes import Scope
from catalog.domain.advance_promotion import advance_promotion
from catalog.fields.differences import UNKNOWN
from catalog.models import TrainedModel
from catalog.states import ModelState
from catalog.trained_queries import startable_fitting
from connections.models import Connection
from connections.providers.errors import Rejected
from connections.providers.promotions import PromotionThere
from launches.domain.delete_model import delete_model
from launches.models import Launch
from launches.pages.compared_models import compare_models
from tests.api.makers import make_key
from tests.connections.remote import RemoteEngine
from tests.launches.weights import TINY, make_saved_launch, promote
from tests.makers import make_member, sign_in
from wire.errors import FailedPrecondition

pytestmark = pytest.mark.django_db
THERE = "accounts/north/models/mine"


@pytest.fixture
def saved(team: Account, engine: RemoteEngine) -> Launch:
    """A launch of which the connection says that a model can be made of `final`, and has the files."""
    launch = make_saved_launch(engine, owner=make_member(account=team, role=Role.LAUNCHER), account=team)
    listed = engine.saved[team.account_id, launch.job_id]
    listed[:] = [replace(record, files=(), promotable_there=True) for record in listed]
    return launch


def step(model: TrainedModel) -> TrainedModel:
    """A worker looks, whenever that is due."""
    TrainedModel.objects.filter(pk=model.pk).update(next_check_at=timezone.now(), lease_until=timezone.now())
    advance_promotion(model.pk)
    model.refresh_from_db()
    return model


def finish(engine: RemoteEngine, failure: str = "") -> None:
    """Let the other side be done."""
    engine.promotions["mine"] = replace(engine.promotions["mine"], operation="", done=True, failure=failure)


def test_the_connection_makes_it_and_keeps_it(saved: Launch, engine: RemoteEngine) -> None:
    model = promote(saved, made=False)
    assert (model.state, model.files, model.kind, model.lora_rank) == (ModelState.CREATING, [], "adapter", 16)
    assert step(model).state == ModelState.CREATING
    assert model.name_elsewhere == THERE
    assert step(model).state == ModelState.CREATING
    finish(engine)
    assert step(model).state == ModelState.READY
    assert [call for call in engine.calls if call.startswith("promo")] == ["promote", "promotion", "promotion"]
    assert model.provenance["model_there"] == THERE
    assert promote(saved, made=False) == model  # the same again is the same model
    nothing = startable_fitting(saved.account, [TINY], model_type=None, parameter_count=None, wanted=[model.name])
    assert nothing == []
    files = compare_models([model, model], {})[-1]
    assert (files.label, files.values) == ("All files", (UNKNOWN, UNKNOWN))


def test_a_worker_that_died_asks_again_for_the_same(saved: Launch, engine: RemoteEngine) -> None:
    model = step(promote(saved, made=False))
    TrainedModel.objects.update(elsewhere={})  # its word was lost
    finish(engine)
    assert step(model).state == ModelState.READY
    assert list(engine.promotions) == ["mine"]


def test_an_operation_that_is_forgotten_is_asked_for_anew(saved: Launch, engine: RemoteEngine) -> None:
    model = step(promote(saved, made=False))
    engine.promotions.clear()
    assert step(model).state == ModelState.CREATING
    assert list(engine.promotions) == ["mine"]


def test_what_the_other_side_says_against_it_is_told(
    saved: Launch, engine: RemoteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = step(promote(saved, made=False))
    finish(engine, failure="The disk is full.")
    assert step(model).state == ModelState.FAILED
    assert model.detail == "Far did not make it: The disk is full."

    def refuse(*_: str, **__: str) -> PromotionThere:
        raise Rejected("It knows no such job.")

    engine.promotions.clear()
    monkeypatch.setattr(engine, "promote", refuse)
    again = step(promote(saved, made=False))  # the id of one that failed is free
    assert (again.state, again.detail) == (ModelState.FAILED, "It knows no such job.")
    Connection.objects.filter(name="far").update(state="RETIRED", retired_at=timezone.now(), secret="")
    assert "was retired" in step(promote(saved, made=False)).detail


def test_what_cannot_be_made_there_is_refused(saved: Launch, engine: RemoteEngine) -> None:
    with pytest.raises(FailedPrecondition, match="Far makes the model, and does not merge"):
        promote(saved, made=False, merged=True)
    listed = engine.saved[saved.account.account_id, saved.job_id]
    listed[:] = [replace(record, promotable_there=False) for record in listed]
    with pytest.raises(FailedPrecondition, match="or that a model can be made of it"):
        promote(saved, made=False)


def test_pages_api_and_command_say_where_it_lives(saved: Launch, engine: RemoteEngine) -> None:
    browser = sign_in(Client(), saved.owner)
    promote_page = f"/launches/{saved.uid}/checkpoints/final/promote"
    key = make_key(account=saved.account, user=saved.owner, scope=Scope.LAUNCH)
    program = Client(headers={"X-Api-Key": key})
    listed = program.get(f"/v1/{saved.name}/checkpoints").json()["checkpoints"]
    assert [row["promotable"] for row in listed] == [True]
    assert promote_page in browser.get(f"/launches/{saved.uid}").content.decode()
    assert "that Far makes and keeps" in browser.get(promote_page).content.decode()
    call_command("promote", f"{saved.name}/checkpoints/final", "--id", "mine", "--no-wait", stdout=StringIO())
    model = step(TrainedModel.objects.get())
    assert "Far makes it, and keeps it." in browser.get("/models/team-a/mine").content.decode()
    finish(engine)
    step(model)
    model.created_by = saved.owner
    model.save()
    page = browser.get("/models/team-a/mine").content.decode()
    assert "Lives on" in page
    assert THERE in page
    assert "Download is not offered by this connection" in page
    assert "/models/team-a/mine/archive" not in page
    answer = program.get(f"/v1/{model.name}").json()
    assert (answer["state"], answer["provenance"]["modelThere"]) == ("READY", THERE)
    refused = program.get(f"/v1/{model.name}:download")
    assert refused.status_code == 501
    assert f"Far keeps {model.name}, as {THERE}" in refused.json()["message"]
    with pytest.raises(CommandError, match="not offered by this connection"):
        call_command("download", model.name, "/nowhere")
    asked = browser.get("/models/team-a/mine/delete").content.decode()
    assert "nothing here" in asked
    assert THERE in asked


def test_deleting_it_frees_nothing_here(saved: Launch, engine: RemoteEngine) -> None:
    model = step(promote(saved, made=False))
    finish(engine)
    assert delete_model(actor=SYSTEM, model=step(model)) == 0
    assert "mine" in engine.promotions
