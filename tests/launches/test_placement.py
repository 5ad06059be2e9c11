"""Where a launch runs: the user's choice, else the first connection that may run it; and why the others do not."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Account, User
from accounts.roles import Role
from catalog.models import ShapeVersion
from catalog.places import plain_spec
from connections.capacities import stored_capacity
from connections.kinds import SLURM
from connections.models import Connection
from connections.providers.capacity import Capacity, GpuPool
from connections.states import ConnectionState
from launches import companions, placement
from launches.models import Launch
from tests.connections.local_rig import make_rig
from tests.connections.remote import RemoteEngine, make_connection
from tests.connections.rig import make_spec
from tests.launches.makers import make_launch, make_tiny_version
from tests.makers import make_account, make_member, make_version, sign_in
from wire.errors import FailedPrecondition, InvalidArgument

pytestmark = pytest.mark.django_db


@pytest.fixture
def tiny(local: Account) -> ShapeVersion:
    return make_tiny_version()


def form_url(version: ShapeVersion) -> str:
    return reverse("launch_new", args=[version.shape.account.account_id, version.shape.shape_id])


def place(version: ShapeVersion, **inputs: Any) -> str:
    return make_launch(version=version, **inputs).connection.name


def test_the_first_in_order_that_may_run_it_takes_it(far: Connection, tiny: ShapeVersion) -> None:
    assert place(tiny) == "local"
    Connection.objects.filter(pk=far.pk).update(position=0)
    Connection.objects.filter(name="local").update(position=1)
    assert place(tiny) == "far"


def test_what_this_machine_cannot_run_goes_where_there_are_gpus(far: Connection, local: Account) -> None:
    assert place(make_version(gpus=8)) == "far"


def test_gpus_without_a_type_are_counted_as_those_that_a_set_gets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = replace(make_rig(tmp_path, hosted=False).provider, gpus="NVIDIA_H100_80GB = 2")
    monkeypatch.setattr(companions, "open_provider", lambda _: provider)
    monkeypatch.setattr(companions, "samplers_at", lambda _: None)
    monkeypatch.setattr(companions, "reasons_against", lambda *_: ())
    connection = Connection(capacity=stored_capacity(Capacity((GpuPool("NVIDIA_H100_80GB", 2, 2),))))
    spec = make_spec(accelerator_count=2)
    told = companions.reasons_against_set(connection, spec, companions.Companions(spec))
    assert told == ("Together they need 4 GPUs of type NVIDIA_H100_80GB; it has 2.",)


def test_the_users_choice_counts(far: Connection, tiny: ShapeVersion) -> None:
    assert place(tiny, connection="far") == "far"
    assert place(tiny, connection="local") == "local"
    assert Launch.objects.filter(inputs__connection="far").count() == 1  # so a clone goes there, too


def test_a_choice_that_there_is_not_is_refused_with_those_that_there_are(far: Connection, tiny: ShapeVersion) -> None:
    with pytest.raises(InvalidArgument) as refused:
        place(tiny, connection="nowhere")
    (violation,) = refused.value.violations
    assert violation.field == "connection"
    assert violation.description == (
        "'nowhere' is not a connection that this account may use. Use one of local, far, or leave it out."
    )


def test_a_connection_of_others_is_as_one_that_there_is_not(engine: RemoteEngine, tiny: ShapeVersion) -> None:
    make_connection(make_account(account_id="team-b"))
    with pytest.raises(InvalidArgument, match="'far' is not a connection that this account may use"):
        place(tiny, connection="far")
    with pytest.raises(FailedPrecondition) as refused:
        place(make_version(gpus=8))
    assert "Far" not in str(refused.value)


def test_a_paused_or_retired_one_takes_nothing_and_says_so(far: Connection, local: Account) -> None:
    Connection.objects.filter(pk=far.pk).update(state=ConnectionState.PAUSED, pause_reason="New disks until noon.")
    with pytest.raises(FailedPrecondition, match="Far: It is paused: New disks until noon"):
        place(make_version(gpus=8))
    far.retired_at = far.created_at
    Connection.objects.filter(pk=far.pk).update(state=ConnectionState.RETIRED, retired_at=far.created_at)
    with pytest.raises(FailedPrecondition) as refused:
        place(make_version(gpus=8))
    assert "Far" not in str(refused.value)


def test_one_that_does_not_answer_is_the_last_choice_but_may_be_chosen(
    far: Connection, engine: RemoteEngine, local: Account
) -> None:
    make_connection(name="farther", position=2)
    Connection.objects.filter(pk=far.pk).update(unreachable_since=far.created_at, failures=3)
    version = make_version(gpus=8)
    assert place(version) == "farther"
    assert place(version, connection="far") == "far"


def test_a_refusal_names_every_connection_with_its_reasons(
    far: Connection, engine: RemoteEngine, local: Account
) -> None:
    engine.refusal = "It has no H100."
    with pytest.raises(FailedPrecondition) as refused:
        place(make_version(gpus=8))
    assert "This machine: " in str(refused.value)
    assert "Far: It has no H100." in str(refused.value)
    assert engine.calls == []  # nobody asked the network


def test_a_connection_that_cannot_be_opened_says_why(far: Connection, local: Account) -> None:
    Connection.objects.filter(pk=far.pk).update(config={"adress": "x"})
    with pytest.raises(FailedPrecondition, match="Far: There is no setting 'adress'"):
        place(make_version(gpus=8))


def test_the_form_asks_where_there_is_a_choice_and_keeps_the_answer(
    client: Client, far: Connection, launcher: User, tiny: ShapeVersion
) -> None:
    sign_in(client, launcher)
    Connection.objects.filter(pk=far.pk).update(capacity={"gpus": [], "queue_length": 3, "running": 1, "slots": 4})
    page = client.get(form_url(tiny)).text
    assert "Where it runs" in page
    options = re.search(r'name="connection".*?</select>', page, re.S)
    assert options is not None
    assert re.findall(r'<option value="([^"]*)"', options[0]) == ["", "local", "far"]
    assert "Far (3 of 4 slots free, 3 waiting)" in options[0]
    refused = client.post(form_url(tiny), {"connection": "far", "lora_rank": "many"})
    assert re.search(r'<option value="far" selected>', refused.text)


def test_without_a_choice_nothing_is_asked(client: Client, launcher: User, tiny: ShapeVersion) -> None:
    sign_in(client, launcher)
    assert "Where it runs" not in client.get(form_url(tiny)).text


def test_the_launch_page_says_where(client: Client, far: Connection, local: Account) -> None:
    owner = make_member(account=local, role=Role.LAUNCHER)
    launch = make_launch(owner=owner, version=make_version(gpus=8))
    sign_in(client, owner)
    assert "Far" in client.get(f"/launches/{launch.uid}").text


def test_how_to_reach_a_trainer_elsewhere_is_told_without_a_token_that_it_would_not_take(
    client: Client, far: Connection, local: Account
) -> None:
    owner = make_member(account=local, role=Role.LAUNCHER)
    launch = make_launch(owner=owner, version=make_version(gpus=8))
    launch.attempts.update(state="RUNNING", endpoint="https://far.example/x", ready=True)
    Launch.objects.update(state="RUNNING")
    sign_in(client, owner)
    page = client.get(f"/launches/{launch.uid}").text
    assert "Without Slipway in between" not in page
    assert "It takes a key of the owner" not in page
    assert f"/training/v1/rlorTrainerJobs/local/{launch.job_id}" in page


def test_a_recipe_that_only_another_connection_has_makes_room_while_somebody_fills_in_and_is_refused_once_sent(
    client: Client, far: Connection, launcher: User, tiny: ShapeVersion
) -> None:
    sign_in(client, launcher)
    chosen = {"connection": "far", "recipe": "sample-sft"}
    preview = client.post(form_url(tiny) + "/preview", chosen).text
    assert "is not a recipe here" not in preview
    sent = client.post(form_url(tiny), chosen)
    assert sent.status_code == 422
    assert "is not a recipe here" in sent.text
    assert Launch.objects.count() == 0


def test_a_choice_that_does_not_take_it_is_what_is_refused_and_no_recipe_of_another(
    client: Client, far: Connection, engine: RemoteEngine, launcher: User, tiny: ShapeVersion
) -> None:
    engine.refusal = "It has no such shape."
    chosen = {"connection": "far", "recipe": "sample-sft"}
    with pytest.raises(InvalidArgument) as refused:
        place(tiny, **chosen)
    assert [(found.field, found.description) for found in refused.value.violations] == [
        ("connection", "Far does not take this: It has no such shape. Use This machine, or leave it out.")
    ]
    sign_in(client, launcher)
    for door in (form_url(tiny), form_url(tiny) + "/preview"):
        page = client.post(door, chosen).text
        assert "Far does not take this: It has no such shape." in page
        assert "is not a recipe here" not in page and "No connection can run this" not in page
    page = client.post(form_url(tiny), chosen).text
    assert all(f'<option value="{kept}" selected>' in page for kept in chosen.values())
    engine.refusal = ""
    with pytest.raises(InvalidArgument, match="It is a recipe of This machine: let it run there"):
        place(tiny, **chosen)


def test_where_nobody_runs_it_the_recipe_is_not_what_is_refused(far: Connection, engine: RemoteEngine) -> None:
    engine.refusal = "It has no H100."
    with pytest.raises(FailedPrecondition, match="Far: It has no H100"):
        place(make_version(gpus=8), recipe="sample-sft")


def test_a_launch_is_resolved_once_asks_each_connection_once_and_has_a_recipe_of_where_it_goes(
    far: Connection, engine: RemoteEngine, tiny: ShapeVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def counted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def ask(*given: Any, **more: Any) -> Any:
            asked.append(name)
            return call(*given, **more)

        return ask

    for name in ("resolve", "reasons_against"):
        monkeypatch.setattr(placement, name, counted(name, getattr(placement, name)))
    launch = make_launch(version=tiny, trainer_replica_count="64")  # more than this machine runs
    assert sorted(asked) == ["reasons_against", "reasons_against", "resolve"]
    assert (launch.connection.name, launch.spec["recipe"]) == ("far", "none")
    assert make_launch(version=tiny, owner=launch.owner).spec["recipe"] == "sample-sft"


def test_a_shape_that_names_no_gpu_waits_for_those_that_its_connection_gives(local: Account) -> None:
    shape = make_version(gpus=1)
    models = f"{shape.shape.base_model.name} = /shared/models"
    config = {"shared": "/shared", "gres": "NVIDIA_H100_80GB = gpu:h100", "unnamed_type": "NVIDIA_H100_80GB"}
    gpus = [{"accelerator_type": "NVIDIA_H100_80GB", "total": 8, "free": 0, "drained": 0}]
    row = make_connection(name="cluster", kind=SLURM, config=config | {"models": models}, capacity={"gpus": gpus})
    verdict = placement.offer_for(plain_spec(shape.frozen_snapshot), [row]).verdicts[0]
    assert (verdict.outlook, verdict.waits) == ("FULL", "It needs 1 GPU; free of that type: 0.")
