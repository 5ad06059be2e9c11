"""A copy of the state on another path: it starts there, knows and resumes everything, and is nobody else's business."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.connections.local_rig import is_alive
from tests.e2e.test_run import BACK_SECONDS, Slipway, wait_for
from tests.standing_in import CodeFolder, make_code

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("run")]
Place = tuple[Slipway, CodeFolder]
JOBS = "/v1/accounts/local/rlorTrainerJobs"
SHAPE = "tiny-qwen3-2k-lora"


def make_place(folder: Path) -> Iterator[Place]:
    """A place for a Slipway: code, and the path of a state folder that is not there yet; what runs there is stopped."""
    code = make_code(folder / "code")
    code.replace_by_this_one()
    slipway = Slipway(folder / "state", code.path)
    yield slipway, code
    if slipway.process and slipway.process.poll() is None:
        slipway.stop()


@pytest.fixture
def original(tmp_path: Path) -> Iterator[Place]:
    yield from make_place(tmp_path / "original")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Place]:
    yield from make_place(tmp_path / "some other place")


def client(slipway: Slipway, key: str) -> httpx.Client:
    return httpx.Client(base_url=slipway.url, headers={"X-Api-Key": key}, timeout=60)


def launch(api: httpx.Client, job: str) -> None:
    query = {"trainingShape": f"accounts/local/trainingShapes/{SHAPE}", "rlorTrainerJobId": job}
    created = api.post(JOBS, params=query, json={})
    assert created.status_code == httpx.codes.OK, created.text


def wait_for_state(api: httpx.Client, job: str, state: str) -> None:
    """Wait until the API says that the job is in that state, which is given without its prefix."""
    last = ""

    def look() -> bool:
        nonlocal last
        answer = api.get(f"{JOBS}/{job}")
        last = answer.text
        return answer.status_code == httpx.codes.OK and answer.json()["state"] == f"JOB_STATE_{state}"

    try:
        wait_for(look, BACK_SECONDS, f"{state} of {job}")
    except AssertionError as error:
        raise AssertionError(f"{error}: {last}") from None


def test_a_copy_on_another_path_goes_on_and_leaves_the_original_alone(original: Place, elsewhere: Place) -> None:
    slipway, code = original
    slipway.start(SLIPWAY_LOCAL_SLOTS="1")
    made = slipway.once("manage", "create_api_key", "--account", "local", "--user", "admin", "--scope", "launch")
    assert made.returncode == 0, made.stderr
    api = client(slipway, key := made.stdout.strip())
    code.tell("trained", checkpoints={"step-3": 3}, metrics=3)
    for job, state in {"trained": "RUNNING", "waits": "PENDING"}.items():
        launch(api, job)
        wait_for_state(api, job, state)
    wait_for_state(api, "trained", "RUNNING")
    slipway.stop()

    copy, code_there = elsewhere
    shutil.copytree(slipway.home, copy.home, symlinks=True)  # without its owners, where we are root
    slipway.start(SLIPWAY_LOCAL_SLOTS="1")
    wait_for_state(api, "waits", "RUNNING")
    (trainer,) = wait_for(partial(code.pids, "waits"), BACK_SECONDS, "the start of its trainer")

    copy.start(SLIPWAY_LOCAL_SLOTS="2")
    there = client(copy, key)
    wait_for_state(there, "trained", "FAILED")
    wait_for_state(there, "waits", "RUNNING")
    assert copy.query("SELECT count(*) FROM launches_metric") == [(3,)]
    saved = there.get(f"{JOBS}/trained/checkpoints").json()
    assert "step-3" in str(saved), saved
    resumed = there.post(f"{JOBS}/trained:resume", json={})
    assert resumed.status_code == httpx.codes.OK, resumed.text
    wait_for_state(there, "trained", "RUNNING")
    assert copy.query("SELECT resume_from FROM launches_attempt WHERE number = 2") == [("step-3",)]
    for job in ("trained", "waits"):
        assert len(wait_for(partial(code_there.pids, job), BACK_SECONDS, f"the start of {job}'s trainer")) == 1
        code_there.finish(job)
        wait_for_state(there, job, "COMPLETED")
    copy.stop()
    assert copy.processes() == []

    assert is_alive(trainer)
    assert code.pids("waits") == [trainer]
    wait_for_state(api, "waits", "RUNNING")
    wait_for_state(api, "trained", "FAILED")
