"""Trainer jobs that name no shape: which one the server chooses, and what is said where none will do."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Account
from accounts.roles import Role
from accounts.scopes import Scope
from catalog.models import BaseModel, ShapeVersion
from connections.models import Connection
from connections.providers.spec import TrainerMode
from launches.models import Launch
from tests.api.makers import Caller, make_caller
from tests.api.test_jobs import TINY, create, made, reason, violations
from tests.connections.remote import make_connection
from tests.launches.makers import make_tiny_version
from tests.makers import make_account, make_member, make_model, make_shape, make_version

pytestmark = pytest.mark.django_db


def test_the_server_chooses_the_smallest_sufficient_shape_for_the_model_and_mode(caller: Caller) -> None:
    model = make_tiny_version().shape.base_model
    small = make_version(shape=make_shape(base_model=model), gpus=0, context=1024)
    make_version(shape=make_shape(base_model=model), gpus=0, context=4096)
    policy = make_version(shape=make_shape(base_model=model), gpus=0, context=512, mode=TrainerMode.POLICY_TRAINER)
    forward = make_version(shape=make_shape(base_model=model), gpus=0, context=512, mode=TrainerMode.FORWARD_ONLY)

    def chosen(context: int = 0, **config: Any) -> str:
        forward_only = {"forwardOnly": True} if config.pop("forward", False) else {}
        asked = {"maxContextLength": context} if context else {}
        return str(
            made(caller, forward_only | {"trainingConfig": {"baseModel": TINY} | asked | config})[
                "trainingShapeVersion"
            ]
        )

    assert chosen(loraRank=8) == small.name
    assert "-shape-" in chosen(1025, loraRank=8) != small.name
    assert chosen() == chosen(loraRank=0) == chosen(loraRank="0") == policy.name
    assert chosen(forward=True, learningRate=1e-5) == forward.name
    ShapeVersion.objects.filter(pk=forward.pk).update(is_latest_validated=False)
    for rank in ({}, {"loraRank": 0}):  # a LoRA shape at rank 0 is the base model alone
        assert chosen(forward=True, **rank) == small.name
        assert Launch.objects.latest("pk").spec["lora_rank"] == 0


def test_a_shape_for_a_model_alike_is_chosen_where_none_is_for_exactly_this_one(caller: Caller, local: Account) -> None:
    facts: dict[str, Any] = {"model_type": "qwen3", "parameter_count": 8_200_000_000}
    wanted = make_model(account=local, model_id="wanted", **facts)
    other = make_model(account=local, model_id="tiny-qwen3", **facts)
    make_version(shape=make_shape(base_model=other), gpus=0, context=2048, **facts)
    asked = {"trainingConfig": {"baseModel": wanted.name, "loraRank": 8}}
    # It is chosen, and then nobody is connected who runs that model; of another size it is not chosen.
    assert "No connection can run this" in create(caller, asked)[1]["message"]
    BaseModel.objects.filter(pk=wanted.pk).update(parameter_count=8_999_999_999)
    answer = create(caller, asked)
    assert reason(answer)[2] == "NO_TRAINING_SHAPE_FITS"
    assert "its model's parameters are 8,200,000,000, not 8,999,999,999" in answer[1]["message"]
    BaseModel.objects.filter(pk=wanted.pk).update(parameter_count=9_000_000_000)
    assert create(caller, asked)[1]["message"].endswith("There is none for it.")


def test_a_shape_is_chosen_for_what_it_can_be_launched_with_only(caller: Caller, local: Account) -> None:
    facts: dict[str, Any] = {"model_type": "qwen3", "parameter_count": 8_200_000_000}
    wanted = make_model(account=make_account(account_id="team-b"), **facts)
    make_version(shape=make_shape(base_model=wanted), mode=TrainerMode.POLICY_TRAINER, **facts)
    make_version(shape=make_shape(base_model=make_model(account=local, **facts)), gpus=0, context=2048, **facts)
    answer = create(caller, {"trainingConfig": {"baseModel": wanted.name, "loraRank": 8}})
    assert reason(answer)[2] == "NO_TRAINING_SHAPE_FITS", answer  # a shape of local takes no model of team-b


def test_a_strangers_shape_is_chosen_after_ones_own_and_after_the_models_account(local: Account) -> None:
    team, other = make_account(account_id="team-a"), make_account(account_id="team-b")
    model = make_tiny_version(account=local).shape.base_model
    theirs = make_version(shape=make_shape(base_model=model, account=other), gpus=0, context=512)
    caller = make_caller(account=team, user=make_member(account=team, role=Role.LAUNCHER), scope=Scope.LAUNCH)
    asked = {"trainingConfig": {"baseModel": TINY, "loraRank": 8}}

    def chosen() -> ShapeVersion:
        status, job = caller.post("/v1/accounts/team-a/rlorTrainerJobs", asked)
        assert status == 200, job
        return Launch.objects.select_related("shape_version").get(job_id=job["name"].rpartition("/")[2]).shape_version

    offered = chosen()
    assert offered.shape.account == local
    ShapeVersion.objects.filter(pk=offered.pk).update(deprecated_at=timezone.now())
    assert chosen() == offered  # a warning about it is no reason to trust somebody else
    own = make_version(shape=make_shape(base_model=model, account=team), gpus=0, context=2048, public=False)
    assert chosen() == own
    ShapeVersion.objects.filter(pk__in=[own.pk, offered.pk]).update(is_latest_validated=False)
    assert chosen() == theirs


def test_of_many_shapes_the_one_that_will_do_is_found(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launches.choosing.MOST_CONSIDERED", 2)
    model = make_tiny_version(mode=TrainerMode.POLICY_TRAINER).shape.base_model
    for context in (512, 1024, 4096, 2048):
        made_last = make_version(shape=make_shape(base_model=model), gpus=0, context=context)
    asked = {"baseModel": TINY, "loraRank": 8, "maxContextLength": 2048}
    assert made(caller, {"trainingConfig": asked})["trainingShapeVersion"] == made_last.name
    answer = create(caller, {"trainingConfig": asked | {"maxContextLength": 8192}})
    assert "its context is 4k" in answer[1]["message"]
    assert "its context is 512" not in answer[1]["message"]


def test_an_image_that_is_asked_for_is_what_a_shape_is_chosen_by(caller: Caller) -> None:
    make_tiny_version(trainer_image_tag="0.1.0")
    right = make_tiny_version(trainer_image_tag="0.2.0")
    make_tiny_version()
    asked = {"baseModel": TINY, "loraRank": 8, "customImageTag": "0.2.0"}
    assert made(caller, {"trainingConfig": asked})["trainingShapeVersion"] == right.name
    answer = create(caller, {"trainingConfig": asked | {"customImageTag": "0.3.0"}})
    assert reason(answer) == (400, 9, "NO_TRAINING_SHAPE_FITS")
    assert f"{right.shape.name}: its image is 0.2.0, not 0.3.0" in answer[1]["message"]
    assert "its image is left to the provider, not 0.3.0" in answer[1]["message"]
    found = violations(create(caller, {"trainingConfig": asked | {"customImageTag": "x" * 201}}))
    assert set(found) == {"trainingConfig.customImageTag"}


def test_where_no_shape_fits_the_near_misses_say_by_what(caller: Caller) -> None:
    version = make_tiny_version()
    answer = create(caller, {"trainingConfig": {"baseModel": TINY, "loraRank": 8, "maxContextLength": 4096}})
    assert reason(answer) == (400, 9, "NO_TRAINING_SHAPE_FITS")
    assert f"Near misses: {version.shape.name}: its context is 2k, under the 4,096 tokens" in answer[1]["message"]
    answer = create(caller, {"trainingConfig": {"baseModel": TINY}})
    assert f"{version.shape.name}: its mode is LoRA, not Policy" in answer[1]["message"]
    answer = create(caller, {"trainingConfig": {"baseModel": TINY, "maxContextLength": 4096}})
    both = "its mode is LoRA, not Policy and its context is 2k, under the 4,096 tokens asked for"
    assert f"Near misses: {version.shape.name}: {both}." in answer[1]["message"]
    answer = create(caller, {"trainingConfig": {"baseModel": "accounts/x/models/y"}})
    assert answer[1]["message"].endswith("There is none for it.")
    for wrong in (None, "", "tiny", 7, f"{TINY}/x"):
        found = violations(create(caller, {"trainingConfig": {"baseModel": wrong}}))
        assert "is no base model" in found["trainingConfig.baseModel"]
    assert Launch.objects.count() == 0


def test_another_accounts_shapes_are_neither_chosen_nor_near(caller: Caller) -> None:
    theirs = make_shape(base_model=make_tiny_version().shape.base_model, account=make_account(account_id="team-b"))
    private = make_version(shape=theirs, gpus=0, context=100_000, public=False)
    answer = create(caller, {"trainingConfig": {"baseModel": TINY, "loraRank": 8, "maxContextLength": 100_000}})
    assert answer[0] == 400
    assert "team-b" not in answer[1]["message"]
    for name in (private.name, private.shape.name):
        assert reason(create(caller, trainingShape=name))[:2] == (404, 5)


def test_a_request_may_say_which_connection_it_runs_on(caller: Caller, local: Account, far: Connection) -> None:
    version = make_version(shape=make_shape(base_model=make_model(account=local)), gpus=8)
    jobs = f"/v1/accounts/local/rlorTrainerJobs?trainingShape={version.shape.name}"
    make_connection(name="farther", position=2)
    for asked, expected in {"": "far", "&connection=": "far", "&connection=farther": "farther"}.items():
        status, job = caller.post(f"{jobs}{asked}", {})
        assert status == 200, job
        assert Launch.objects.get(job_id=job["name"].rpartition("/")[2]).connection.name == expected
    status, job = caller.post(f"{jobs}&whenInterrupted=go-on", {})
    assert (status, Launch.objects.latest("pk").goes_on) == (200, True)
    status, refusal = caller.post(f"{jobs}&whenInterrupted=always", {})
    assert status == 400 and "'always' is neither go-on nor wait" in str(refusal) and "whenInterrupted" in str(refusal)
    status, refusal = caller.post(f"{jobs}&connection=nowhere", {})
    assert status == 400
    assert "'nowhere' is not a connection that this account may use. Use one of local, far, farther" in str(refusal)


def test_a_lora_shape_at_rank_0_is_a_reference_and_may_be_asked_for_as_such(caller: Caller) -> None:
    shape = make_tiny_version().shape.name
    path = f"/v1/accounts/local/rlorTrainerJobs?trainingShape={shape}"
    body = {"forwardOnly": True, "trainingConfig": {"baseModel": TINY, "loraRank": 0}}
    assert caller.post(path, body)[0] == 200
    body["trainingConfig"] = {"baseModel": TINY, "loraRank": 8}
    status, refusal = caller.post(path, body)
    assert (status, "forwardOnly" in str(refusal)) == (400, True)
