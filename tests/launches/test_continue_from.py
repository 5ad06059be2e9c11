"""A launch whose recipe goes on from a checkpoint of the account: offered, checked at every door, recorded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account
from accounts.roles import Role
from connections.models import Connection
from connections.providers.checkpoints import CheckpointKind
from connections.providers.spec import TrainerSpec
from connections.providers.trainer_files.config import make_config
from connections.states import ConnectionState
from launches.models import Checkpoint, Launch
from tests.launches.makers import make_launch, make_tiny_version
from tests.makers import make_account, make_member, sign_in
from wire.errors import FailedPrecondition, InvalidArgument

pytestmark = pytest.mark.django_db
JOB = Path("/jobs/local/job-2")


def save(launch: Launch, name: str, **more: Any) -> str:
    """Answers its resource name."""
    told = {"step": 60, "size_bytes": 5, "saved_at": timezone.now(), "lora_rank": 16} | more
    return Checkpoint.objects.create(launch=launch, name=name, **told).resource_name


@pytest.fixture
def first(local: Account) -> Launch:
    return make_launch(version=make_tiny_version())


def again(first: Launch, **inputs: Any) -> Launch:
    return make_launch(version=first.shape_version, **inputs)


def refused(first: Launch, **inputs: Any) -> str:
    with pytest.raises(InvalidArgument) as error:
        again(first, **inputs)
    (violation,) = error.value.violations
    assert violation.field == "continue_from"
    return violation.description


def test_the_trainer_is_told_which_one_and_at_which_step(first: Launch) -> None:
    launch = again(first, continue_from=save(first, "step-60"))
    spec = TrainerSpec.from_json(launch.spec)
    assert (spec.continue_from, spec.continue_step) == (f"{first.name}/checkpoints/step-60", 60)
    told = make_config(
        spec,
        directory=JOB / "attempts" / "1",
        job_directory=JOB,
        model_directory=None,
        model_cache=Path("/cache"),
        models_root=Path("/weights/team-a"),
        bind="127.0.0.1",
        resume_from="",
    )
    assert (told["start_from"], told["start_step"]) == (f"cross_job://{first.job_id}/step-60", 60)


def test_a_launch_without_one_records_nothing_of_it(first: Launch) -> None:
    assert "continue_from" not in first.spec
    assert "continue_step" not in first.spec


def test_the_form_offers_what_fits_and_the_launch_page_tells(client: Client, first: Launch) -> None:
    Launch.objects.update(display_name="First light")
    name = save(first, "step-60")
    save(first, "unfinished", writing=True)
    save(first, "for-a-sampler", kind=CheckpointKind.SAMPLER)
    other = make_launch(account=make_account(account_id="team-b"), version=first.shape_version)
    save(other, "of-others")
    owner = make_member(account=first.account, role=Role.LAUNCHER)
    sign_in(client, owner)
    shape = first.shape_version.shape
    page = client.get(reverse("launch_new", args=[shape.account.account_id, shape.shape_id])).text
    options = re.search(r'name="continue_from".*?</select>', page, re.S)
    assert options is not None
    assert re.findall(r'<option value="([^"]*)"', options[0]) == ["", name]
    assert f"First light ({first.job_id}), step-60 (step 60, rank 16)" in options[0]
    launch = make_launch(owner=owner, version=first.shape_version, continue_from=name)
    assert name in client.get(f"/launches/{launch.uid}").text
    clone = client.get(f"/launches/{launch.uid}/clone", follow=True).text
    assert re.search(rf'<option value="{name}" selected>', clone)


def test_nothing_is_asked_where_there_is_nothing_to_go_on_from(client: Client, first: Launch) -> None:
    sign_in(client, make_member(account=first.account, role=Role.LAUNCHER))
    shape = first.shape_version.shape
    page = client.get(reverse("launch_new", args=[shape.account.account_id, shape.shape_id])).text
    assert "Continue from" not in page


def test_what_does_not_fit_is_refused_with_what_would(first: Launch) -> None:
    name = save(first, "step-60")
    sentence = refused(first, continue_from=name, lora_rank="8")
    assert sentence.endswith("has LoRA rank 16, and the rank here is 8. Set the rank to 16, or choose another.")
    assert "is no checkpoint that this shape can go on from" in refused(first, continue_from="step-60")
    with pytest.raises(InvalidArgument) as unread:
        again(first, continue_from=name, lora_rank="many")
    assert [found.field for found in unread.value.violations] == ["lora_rank"]  # what follows from it is not told
    by_loop = refused(first, continue_from=name, recipe="none")
    assert f'load_state("cross_job://{first.job_id}/step-60")' in by_loop
    Connection.objects.update(state=ConnectionState.PAUSED, paused_at=timezone.now())
    with pytest.raises(FailedPrecondition, match="No connection can run this"):
        again(first, continue_from=name, recipe="sft")


def test_another_accounts_checkpoint_is_as_one_that_there_is_not(first: Launch) -> None:
    other = make_launch(account=make_account(account_id="team-b"), version=first.shape_version)
    assert "is no checkpoint" in refused(first, continue_from=save(other, "step-60"))


def test_it_runs_where_its_checkpoint_lies(first: Launch, far: Connection) -> None:
    name = save(first, "step-60")
    Connection.objects.filter(pk=far.pk).update(position=0)
    Connection.objects.filter(name="local").update(position=1)
    assert again(first, continue_from=name).connection.name == "local"
    assert "lies on local. Let it run there." in refused(first, continue_from=name, connection="far")
