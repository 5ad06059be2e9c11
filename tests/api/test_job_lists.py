"""Lists of jobs, checkpoints and models over several pages, their masks, and whose jobs `-` stands for."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.models import User
from accounts.roles import Role
from catalog.models import BaseModel
from launches.models import Checkpoint, Launch
from tests.api.makers import Caller, make_caller
from tests.api.test_lists import all_pages, page
from tests.launches.makers import NOW, make_launch, make_tiny_version
from tests.makers import make_account, make_member, make_model, make_shape, make_version

ROWS = 7
LISTS = {
    "jobs": ("/v1/accounts/-/rlorTrainerJobs", "rlorTrainerJobs"),
    "checkpoints": ("/v1/accounts/local/rlorTrainerJobs/job-00/checkpoints", "checkpoints"),
    "models": ("/v1/accounts/fireworks/models", "models"),
}
ORDERS = [
    ("jobs", "", "createTime", True),
    ("jobs", "create_time", "createTime", False),
    ("jobs", "create_time desc, name", "createTime", True),
    ("jobs", "name", "name", False),
    ("jobs", "name desc", "name", True),
    ("checkpoints", "", "createTime", False),
    ("checkpoints", "create_time desc", "createTime", True),
    ("models", "", "name", False),
    ("models", "name desc", "name", True),
    ("models", "create_time desc", "createTime", True),
    ("models", "create_time, name desc", "createTime", False),
]
"""A list, an order of it, and the field by which its rows then follow one another, falling or not."""
pytestmark = pytest.mark.django_db


@pytest.fixture
def rows(launcher: User) -> None:
    """As many jobs, checkpoints of the first job, and models; three were made at each moment."""
    version = make_tiny_version()
    for place in range(ROWS):
        moment = NOW + timedelta(seconds=place // 3)
        launch = make_launch(owner=launcher, version=version)
        Launch.objects.filter(pk=launch.pk).update(job_id=f"job-{place:02}", created_at=moment)
        first = Launch.objects.get(job_id="job-00")
        Checkpoint.objects.create(launch=first, name=f"step-{place:02}", step=place, size_bytes=1, saved_at=moment)
        model = make_model(model_id=f"model-{place:02}")
        BaseModel.objects.filter(pk=model.pk).update(created_at=moment)
        make_version(shape=make_shape(base_model=model))


def test_pages_are_complete_and_in_order(caller: Caller, rows: None, subtests: pytest.Subtests) -> None:
    for kind, order, field, down in ORDERS:
        with subtests.test(f"{kind} by {order or 'default'}"):
            path, key = LISTS[kind]
            shown, body = page(caller, path, key, orderBy=order)
            assert (len(shown), body["totalSize"], body["nextPageToken"]) == (ROWS, ROWS, "")
            values = [row[field] for row in shown]
            assert values == sorted(values, reverse=down)
            names = [row["name"] for row in shown]
            for size in (1, 4, ROWS - 1):
                assert all_pages(caller, path, key, orderBy=order, pageSize=size) == names


def test_a_dash_stands_for_the_keys_own_account(caller: Caller, launcher: User) -> None:
    team = make_account(account_id="team-b")
    other = make_caller(account=team, user=make_member(account=team, role=Role.ADMIN))
    mine = make_launch(owner=launcher)
    theirs = make_launch(account=team, owner=launcher)  # a member of both, with a key for one
    path, key = LISTS["jobs"]
    assert all_pages(caller, path, key) == [mine.name]
    assert all_pages(other, path, key) == [theirs.name]
    for method, end in (("get", f"/{mine.job_id}"), ("post", f"/{mine.job_id}:cancel"), ("delete", f"/{mine.job_id}")):
        assert caller.send(method, path + end)[0] == 404
    assert caller.post(path, {})[0] == 404
    assert Launch.objects.filter(deleted_at=None).count() == 2


def test_masks_choose_fields_of_jobs(caller: Caller, launcher: User) -> None:
    launch = make_launch(owner=launcher, display_name="Mine", lora_rank=8)
    path = f"/v1/{launch.name}"
    mask = "readMask=name,trainingConfig.loraRank,status.code"
    kept = {"name": launch.name, "trainingConfig": {"loraRank": 8}, "status": {"code": 0}}
    assert caller.get(f"{path}?{mask}") == (200, kept)
    assert caller.get(f"/v1/accounts/local/rlorTrainerJobs?{mask}")[1]["rlorTrainerJobs"] == [kept]
    assert caller.get(f"{path}?readMask=display_name,training_shape_version") == (
        200,
        {"displayName": "Mine", "trainingShapeVersion": launch.shape_version.name},
    )
    assert caller.get(f"{path}?readMask=*") == caller.get(path)
    assert caller.post(f"{path}:cancel?readMask=state") == (200, {"state": "JOB_STATE_CANCELLING"})
    for wrong in ("token", "trainingConfig.token", "status.code.x"):
        assert caller.get(f"{path}?readMask={wrong}")[0] == 400
