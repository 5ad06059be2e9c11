"""What stands first in the catalog follows from what connections of this machine say that they can run."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from catalog.domain.arrange_models import arrange_models
from catalog.models import BaseModel
from connections.providers.trainer_files.demo_models import DEMO_MODELS
from tests.connections.remote import RemoteEngine, make_connection, registered
from tests.makers import make_account, make_member, make_model, make_shape, make_version, sign_in

pytestmark = pytest.mark.django_db
HEADING = "Runs on this machine"


def order() -> list[tuple[str, bool]]:
    return list(BaseModel.objects.order_by("position").values_list("model_id", "runs_here"))


def test_the_heading_and_the_order_follow_what_connections_can_do(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = make_account(account_id="team-a")
    pages = sign_in(client, make_member(account=account))
    for number, model in enumerate(("big", "small"), 1):
        row = make_model(account=account, model_id=model, family=model.title(), position=number)
        make_version(shape=make_shape(base_model=row, shape_id=f"{model}-8k"))
    arrange_models()
    assert order() == [("big", False), ("small", False)]  # GPUs, and weights that this machine has not
    assert HEADING not in pages.get("/").content.decode()

    engine = RemoteEngine()
    engine.capabilities = replace(engine.capabilities, runs_here=True)
    monkeypatch.setattr(
        RemoteEngine, "fits", lambda _, spec: () if spec.base_model.endswith("/small") else ("Too big.",)
    )
    with registered(monkeypatch, "nearby", engine):
        make_connection(name="nearby", kind="nearby")
        arrange_models()
        assert order() == [("small", True), ("big", False)]
        page = pages.get("/").content.decode()
        assert page.index(HEADING) < page.index("small-8k") < page.index("big-8k")

        monkeypatch.setattr(RemoteEngine, "fits", lambda *_: ("Gone.",))
        arrange_models({BaseModel.objects.get(model_id="big").pk})  # of the other it is not asked
        assert order() == [("small", True), ("big", False)]
        arrange_models({BaseModel.objects.get(model_id="small").pk})
        assert order() == [("small", False), ("big", False)]


def test_this_machines_own_are_first_for_as_long_as_it_runs_trainers(settings: Settings) -> None:
    elsewhere = make_model(account=make_account(), model_id="other", position=1)
    make_version(shape=make_shape(base_model=elsewhere))
    account, model = DEMO_MODELS[0].split("/")[1::2]
    demo = make_model(account=make_account(account_id=account), model_id=model, position=2)
    shape = make_shape(base_model=demo, account=demo.account)
    make_version(shape=shape, gpus=0)
    arrange_models()
    assert order() == [(model, True), ("other", False)]
    settings.SLIPWAY_LOCAL_PROVIDER = False
    arrange_models()
    assert {here for _, here in order()} == {False}
