"""A launch that starts from an adapter: it goes on as one, at its rank, through every door; or it is told why not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from accounts.actors import user_actor
from accounts.models import Account
from accounts.roles import Role
from accounts.scopes import Scope
from catalog.models import ShapeVersion, TrainedModel
from connections.kinds import SLURM
from connections.models import Connection
from connections.opened import forget_opened
from connections.providers.spec import TrainerMode, TrainerSpec
from connections.providers.trainer_files.config import make_config
from launches.domain.delete_model import delete_model
from launches.models import Launch
from tests.api.makers import make_caller
from tests.connections.remote import make_connection
from tests.launches.makers import make_launch, make_tiny_version
from tests.makers import make_member, make_trained_model, sign_in
from wire.errors import FailedPrecondition, InvalidArgument

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("local_home")]
TINY = "accounts/local/models/tiny-qwen3"


@pytest.fixture
def lora(local: Account) -> ShapeVersion:
    return make_tiny_version()


@pytest.fixture
def adapter(lora: ShapeVersion, local: Account) -> TrainedModel:
    return put_adapter(local, "mine", rank=8)


def put_adapter(account: Account, model_id: str, *, rank: int, **facts: Any) -> TrainedModel:
    """One whose configuration lies where models lie."""
    folder: Path = settings.SLIPWAY_HOME / "weights" / account.account_id / model_id
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}")
    return make_trained_model(account=account, model_id=model_id, lora_rank=rank, **facts)


def told(launch: Launch) -> tuple[Any, ...]:
    spec = TrainerSpec.from_json(launch.spec)
    return spec.base_model, spec.lora_rank, spec.continue_from, spec.continue_step


def refused(version: ShapeVersion, **inputs: Any) -> dict[str, str]:
    with pytest.raises(InvalidArgument) as error:
        make_launch(version=version, **inputs)
    return {violation.field: violation.description for violation in error.value.violations}


def test_it_goes_on_at_its_rank_and_the_trainer_is_told_its_name(lora: ShapeVersion, adapter: TrainedModel) -> None:
    wanted = (TINY, 8, adapter.name, None)
    launch = make_launch(version=lora, base_model=adapter.name)
    assert told(launch) == wanted
    assert told(make_launch(version=lora, continue_from=adapter.name, recipe="none")) == wanted
    assert told(make_launch(version=lora, base_model=TINY, lora_rank="8", continue_from=adapter.name)) == wanted
    place = Path("/jobs/local/job-2")
    config = make_config(
        TrainerSpec.from_json(launch.spec),
        directory=place / "attempts/1",
        job_directory=place,
        model_directory=None,
        model_cache=Path("/cache"),
        models_root=Path("/weights/local"),
        bind="127.0.0.1",
        resume_from="",
    )
    assert (config["base_model"], config["start_from"], config["start_step"]) == (TINY, adapter.name, 0)


def test_where_it_cannot_go_on_it_is_told_what_to_do(
    lora: ShapeVersion, adapter: TrainedModel, local: Account, far: Connection, subtests: pytest.Subtests
) -> None:
    policy = make_tiny_version(mode=TrainerMode.POLICY_TRAINER)
    strange = make_trained_model(account=local, model_id="strange", base_model="accounts/local/models/elsewhere")
    other = put_adapter(local, "other", rank=16)
    merge_it = "promote its checkpoint merged into the base model, and launch from that."
    cases: list[tuple[ShapeVersion, dict[str, str], str, str]] = [
        (lora, {"base_model": adapter.name, "lora_rank": "16"}, "continue_from", f"Set the rank to 8, or {merge_it}"),
        (policy, {"base_model": adapter.name}, "continue_from", f"needs a LoRA shape of {TINY}"),
        (policy, {"continue_from": adapter.name}, "continue_from", merge_it),
        (lora, {"base_model": strange.name}, "base_model", "does not fit this shape"),
        (lora, {"base_model": adapter.name, "continue_from": other.name}, "base_model", "Leave out one of them"),
        (lora, {"continue_from": "accounts/local/models/none"}, "continue_from", "is no checkpoint"),
        (lora, {"base_model": adapter.name, "connection": "far"}, "connection", "its trainers run elsewhere"),
    ]
    for version, inputs, field, words in cases:
        with subtests.test(words):
            assert words in refused(version, **inputs)[field]
    (settings.SLIPWAY_HOME / "weights/local/mine/adapter_config.json").unlink()
    with subtests.test("its files are gone"), pytest.raises(FailedPrecondition, match="is not on this machine"):
        make_launch(version=lora, base_model=adapter.name)


def test_form_preview_and_clone_show_what_is_meant(client: Client, lora: ShapeVersion, adapter: TrainedModel) -> None:
    owner = make_member(account=adapter.account, role=Role.LAUNCHER)
    sign_in(client, owner)
    page = client.get(f"/models/local/{adapter.model_id}").text
    form = f"/shapes/local/{lora.shape.shape_id}/launch?base_model=accounts%2Flocal%2Fmodels%2Fmine"
    assert form in page
    launch = make_launch(owner=owner, version=lora, base_model=adapter.name)
    for address in (form, f"/launches/{launch.uid}/clone"):
        shown = client.get(address, follow=True).text
        assert f'<option value="{adapter.name}" selected>mine (adapter of rank 8)</option>' in shown
        assert f'<option value="{TINY}" selected>' in shown
        assert re.search(r'name="lora_rank" type="text" value="8"', shown)
        assert "warmStartFrom" in shown
    assert adapter.name in client.get(f"/launches/{launch.uid}").text


def test_the_api_takes_it_as_base_model_and_by_its_own_field(lora: ShapeVersion, adapter: TrainedModel) -> None:
    caller = make_caller(account=adapter.account, user=make_member(account=adapter.account), scope=Scope.LAUNCH)
    shape = f"?trainingShape={lora.shape.name}"
    for query, config in [
        (shape, {"baseModel": adapter.name, "loraRank": 8}),
        ("", {"baseModel": adapter.name}),
        ("", {"warmStartFrom": adapter.name}),
        (shape, {"warmStartFrom": adapter.name, "baseModel": TINY}),
    ]:
        status, job = caller.post(f"/v1/accounts/local/rlorTrainerJobs{query}", {"trainingConfig": config})
        assert status == 200, job
        answered = job["trainingConfig"]
        assert (answered["baseModel"], answered["loraRank"], answered["warmStartFrom"]) == (TINY, 8, adapter.name)
    status, answer = caller.post(
        f"/v1/accounts/local/rlorTrainerJobs{shape}", {"trainingConfig": {"warmStartFrom": adapter.name, "loraRank": 4}}
    )
    assert answer["details"][-1]["fieldViolations"][0]["field"] == "trainingConfig.warmStartFrom"


def test_shapes_of_its_page_offer_its_rank(client: Client, lora: ShapeVersion, local: Account) -> None:
    sign_in(client, make_member(account=local))
    wide = put_adapter(local, "wide", rank=512)
    page = client.get(f"/models/local/{wide.model_id}").text
    assert "No LoRA shape that you see takes its base model and rank." in page


def test_one_that_a_launch_goes_on_from_is_not_deleted(lora: ShapeVersion, adapter: TrainedModel) -> None:
    owner = make_member(account=adapter.account, role=Role.PUBLISHER)
    launch = make_launch(version=lora, base_model=adapter.name)
    with pytest.raises(FailedPrecondition, match=f"adapter of 1 launch not over yet: {launch.job_id}"):
        delete_model(actor=user_actor(owner), model=adapter)


def test_an_adapter_of_a_model_that_was_made_goes_on_from_that(lora: ShapeVersion, local: Account) -> None:
    whole = make_trained_model(account=local, model_id="whole", kind="full")
    (folder := settings.SLIPWAY_HOME / "weights/local/whole").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    on_it = put_adapter(local, "on-it", rank=8, base_model=whole.name)
    assert told(make_launch(version=lora, base_model=on_it.name)) == (whole.name, 8, on_it.name, None)


def test_a_cluster_to_which_models_are_brought_takes_it(lora: ShapeVersion, adapter: TrainedModel) -> None:
    cluster = make_connection(name="cluster", kind=SLURM, config={"shared": "/shared"})
    forget_opened()
    launch = make_launch(version=lora, connection="cluster", continue_from=adapter.name)
    assert (launch.connection, told(launch)[2]) == (cluster, adapter.name)
