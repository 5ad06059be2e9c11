"""A recipe of a checkout, from the form to its end, and every other end that it can come to: real processes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import SlipwayServer
from tests.e2e.test_launch_live import ENVIRONMENT_MS, FORM, LAUNCH, expect_state, findings
from tests.waiting import wait_for

STAND_IN = Path(__file__).resolve().parents[1] / "runner"
GIT = ("git", "-c", "user.name=Tests", "-c", "user.email=tests@localhost")
RECIPE = "stand-in/sft_loop"
PATIENCE_SECONDS = 300
"""The first launch makes the trainer's environment, on a machine that does much else."""


@pytest.fixture(scope="module")
def client(slipway_server: SlipwayServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A program with a key, of a Slipway in which the stand-in of the cookbook is named, and its datasets are there."""
    checkout = tmp_path_factory.mktemp("cookbook")
    shutil.copytree(STAND_IN / "training", checkout / "training", ignore=shutil.ignore_patterns("__pycache__"))
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "recipes")):
        subprocess.run([*GIT, "-C", str(checkout), *command], check=True)
    (checkout / "training" / "recipes" / "sft_loop.py").write_text("raise SystemExit('not what was committed')")
    said = slipway_server.manage("checkout", "stand-in", "--path", str(checkout), "--commit", "HEAD")
    assert re.search(r"are those of commit [0-9a-f]{12} in ", said), said
    scope = ("--scope", "launch")
    key = slipway_server.manage("create_api_key", "--account", "local", "--user", slipway_server.username, *scope)
    with httpx.Client(base_url=f"{slipway_server.url}/v1/", headers={"X-Api-Key": key.split()[-1]}, timeout=60) as made:
        for word in ("train", "fail", "wait"):
            upload(made, word)
        yield made


def upload(client: httpx.Client, word: str) -> None:
    row = {"messages": [{"role": "user", "content": word}, {"role": "assistant", "content": "aye"}]}
    other = {"messages": [{"role": "user", "content": "hull?"}, {"role": "assistant", "content": "planked"}]}
    base = "accounts/local/datasets"
    assert client.post(base, json={"datasetId": f"run-{word}", "dataset": {}}).status_code == 200
    content = "".join(f"{json.dumps(each)}\n" for each in (row, *[other] * 7))
    assert client.put(f"{base}/run-{word}:upload", content=content.encode()).status_code == 200
    wait_for(lambda: client.get(f"{base}/run-{word}").json()["state"] == "READY")


def launch(client: httpx.Client, word: str, job: str = "") -> str:
    body = {"dataset": f"accounts/local/datasets/run-{word}", "recipe": {"name": RECIPE, "batch_rows": 4}}
    told = {"trainingShape": "accounts/local/trainingShapes/tiny-qwen3-2k-lora"} | (
        {"rlorTrainerJobId": job} if job else {}
    )
    made = client.post("accounts/local/rlorTrainerJobs", params=told, json=body)
    assert made.status_code == 200, made.text
    return str(made.json()["name"])


def over(client: httpx.Client, name: str) -> dict[str, Any]:
    """The job once it is."""

    def ended() -> bool:
        state: str = client.get(name).json()["state"]
        return state.endswith(("COMPLETED", "FAILED", "CANCELLED"))

    wait_for(ended, seconds=PATIENCE_SECONDS)
    job: dict[str, Any] = client.get(name).json()
    return job


def running(job: str) -> list[psutil.Process]:
    """The processes of a job's recipe."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = " ".join(process.info["cmdline"] or ())
        if f"/runs/jobs/local/{job}/" in words and process.status() != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def id_of(name: str) -> str:
    return name.rpartition("/")[2]


def drives(name: str) -> list[psutil.Process]:
    """The recipe itself, without what watches it."""
    return [each for each in running(id_of(name)) if "drive.py" in " ".join(each.cmdline())]


def nothing_left(server: SlipwayServer, name: str) -> bool:
    """Neither a process nor a key."""
    job = id_of(name)
    key = server.manage("shell", "-c", f"from accounts.models import ApiKey as K; print(K.objects.filter(job={job!r}, "
                        "revoked_at=None).count())")  # fmt: skip
    return not running(job) and key.split()[-1] == "0"


def test_a_recipe_of_a_checkout_trains_from_the_form(
    admin_page: Page, slipway_server: SlipwayServer, client: httpx.Client
) -> None:
    page = admin_page
    page.goto(FORM)
    page.get_by_label("Recipe", exact=True).select_option(RECIPE)
    page.get_by_label("Dataset", exact=True).select_option(label="run-train (chat, 8 rows)")
    page.get_by_label("Epochs").fill("3")
    page.get_by_label("Batch").fill("2")
    assert findings(page) == []
    page.get_by_role("button", name="Launch trainer").click()
    page.wait_for_url(LAUNCH)
    expect_state(page, "COMPLETED", within_ms=ENVIRONMENT_MS)
    losses = [record["loss"] for record in page.request.get(f"{page.url}/metrics").json()["records"]]
    assert len(losses) == 12 and losses[-1] < losses[0]
    run = page.get_by_role("region", name="Recipe", exact=True)
    expect(run).to_contain_text("Has run to its end · 100 %")
    expect(run).to_contain_text("372")  # tokens
    log = page.get_by_role("region", name="Log of the recipe")
    reached = json.loads(re.search(r"reaches (\{.*?\})", log.inner_text())[1])  # type: ignore[index]
    assert sorted(reached.values()) == [200, 403, 403]
    assert "not what was committed" not in log.inner_text()
    assert findings(page) == []


def test_whatever_ends_it_is_said_and_nothing_is_left(slipway_server: SlipwayServer, client: httpx.Client) -> None:
    failed, cancelled = launch(client, "fail", "f" * 63), launch(client, "wait")
    status = over(client, failed)
    assert status["state"] == "JOB_STATE_FAILED"
    assert "The recipe says: no row can be trained on" in status["status"]["message"]

    wait_for(lambda: bool(drives(cancelled)), seconds=PATIENCE_SECONDS)
    (before,) = drives(cancelled)
    children = json.loads((slipway_server.home / "run.json").read_text())["children"]
    os.kill(children["worker"]["pid"], signal.SIGKILL)  # who comes next finds the recipe as it is
    assert client.post(f"{cancelled}:cancel", json={}).status_code == 200
    assert over(client, cancelled)["state"] == "JOB_STATE_CANCELLED"
    wait_for(lambda: not before.is_running())

    killed, late = launch(client, "wait"), launch(client, "wait")
    wait_for(lambda: bool(drives(killed)) and bool(drives(late)), seconds=PATIENCE_SECONDS)
    for process in drives(killed):
        process.kill()
    status = over(client, killed)
    assert status["state"] == "JOB_STATE_FAILED" and "The recipe was killed (SIGKILL)" in status["status"]["message"]
    ago = f"RecipeRun.objects.filter(attempt__launch__job_id={id_of(late)!r}).update(began_at='2020-01-01T00:00Z')"
    slipway_server.manage("shell", "-c", f"from launches.models import RecipeRun; {ago}")
    status = over(client, late)
    assert status["state"] == "JOB_STATE_FAILED" and "It ran for 24 hours" in status["status"]["message"]
    for name in (failed, cancelled, killed, late):
        wait_for(partial(nothing_left, slipway_server, name))
    (folder,) = slipway_server.home.glob(f"**/runs/jobs/local/{id_of(failed)}")
    assert not (folder / "dataset.jsonl").exists() and list(folder.iterdir()), "its copy went, its log stays"
    assert client.delete(failed).status_code == 200
    wait_for(lambda: not folder.exists())
