"""One Slipway launches on another: connection and catalog come by the browser, and the SDK trains through the first."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import httpx
import pytest
import yaml
from playwright.sync_api import Page, expect

from tests.conftest import E2E_OFFSET, broker_url, worker_number
from tests.e2e.conftest import ROOT, SlipwayServer, running_slipway
from tests.sdk.environments import ensure_environment
from tests.waiting import wait_for

DRIVER = ROOT / "tests" / "sdk" / "drive_trainer.py"
HOT_LOADED = "/hot_load/v1/models/hot_load"
OFFERED_THERE = "only-there-lora"
STEPS = 3
READY_MILLISECONDS = 600_000
SEEN_MILLISECONDS = 180_000


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlipwayServer]:
    """The other one, with real trainers; its broker database is the fourth from this worker's server."""
    redis_url = broker_url(E2E_OFFSET + (worker_number() + 4) % E2E_OFFSET)
    with running_slipway(tmp_path_factory.mktemp("far"), redis_url) as server:
        yield server


@pytest.fixture(scope="module")
def key_there(far: SlipwayServer) -> str:
    return new_key(far)


def new_key(server: SlipwayServer) -> str:
    return server.manage("create_api_key", "--account", "local", "--user", server.username, "--scope", "launch")


def jobs_there(far: SlipwayServer, key: str) -> list[dict[str, str]]:
    answer = httpx.get(f"{far.url}/v1/accounts/local/rlorTrainerJobs", headers={"X-Api-Key": key}, timeout=60)
    found: list[dict[str, str]] = answer.json()["rlorTrainerJobs"]
    return found


def add_connection(page: Page, far: SlipwayServer, key: str) -> None:
    page.goto("/connections")
    page.get_by_role("link", name="Add a connection").click()
    page.get_by_role("link", name="Another control plane").click()
    page.get_by_label("Name", exact=True).fill("far")
    page.get_by_label("Display name").fill("The far one")
    page.get_by_label("Address").fill(far.url)
    page.get_by_label("Catalogs").fill("local=local")
    page.get_by_label("API key").fill(key)
    page.locator("main").get_by_role("button", name="Add").click()
    expect(page.get_by_role("heading", name="The far one")).to_be_visible()
    page.get_by_role("button", name="Test", exact=True).click()
    expect(page.locator("#tested")).to_contain_text("Jobs are made in")
    expect(page.locator("#tested")).to_contain_text("quota")
    page.get_by_role("link", name="Say who may").click()
    page.get_by_label("every account").check()
    page.locator("main").get_by_role("button", name="Save").click()
    assert key not in page.content()


def offer_another_shape(far: SlipwayServer) -> None:
    """A shape that the first one does not have: a LoRA shape of its bundled catalog under another id."""
    document = yaml.safe_load(far.manage("export_catalog", "--account", "local"))
    shapes = next(model["shapes"] for model in document["models"] if model["model"].endswith("/tiny-qwen3"))
    bundled = next(shape for shape in shapes if shape["id"] == "tiny-qwen3-2k-lora")
    shapes.append(deepcopy(bundled) | {"id": OFFERED_THERE})  # YAML writes anchors for twins, which a file refuses
    far.manage("apply_catalog", "-", stdin=yaml.safe_dump(document))


def sync_catalog(page: Page) -> None:
    """Ask for what it offers; the page shows by itself what that came to."""
    page.goto("/connections/far/catalog")
    page.get_by_role("button", name="Sync now").click()
    outcome = page.locator("#this")
    expect(outcome).to_contain_text(re.compile("applied|nothing new"), timeout=SEEN_MILLISECONDS)
    page.goto(f"/?q={OFFERED_THERE}")
    expect(page.get_by_role("link", name=OFFERED_THERE).first).to_be_visible()


def train(slipway: SlipwayServer, job: str, key: str) -> tuple[list[float], str]:
    """A short loop of the official SDK through the first Slipway's gateway; the losses, and what it saved to sample."""
    done = subprocess.run(
        [
            *(str(ensure_environment("sdk")), str(DRIVER), "train", "--mode", "lora", "--steps", str(STEPS)),
            *("--sampler", "to-sample"),
            *("--base-url", f"{slipway.url}/training/v1/rlorTrainerJobs/local/{job}"),
        ],
        env=os.environ | {"SLIPWAY_TRAINER_TOKEN": key},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    losses = [event["loss_per_token"] for event in events if event["event"] in ("step", "evaluated")]
    (saved,) = (event["path"] for event in events if event["event"] == "sampler")
    return losses, saved


def serve_there(slipway: SlipwayServer, far: SlipwayServer, key: str, key_there: str, job: str, saved: str) -> None:
    """A deployment of that trainer: made, hot-loaded, asked, scaled and deleted by the first one's routes."""
    here = httpx.Client(base_url=slipway.url, headers={"X-Api-Key": key}, timeout=120)
    there = httpx.Client(base_url=far.url, headers={"X-Api-Key": key_there}, timeout=120)
    name, every = "accounts/local/deployments/dep", "/v1/accounts/local/deployments"
    asked = {
        "deploymentShape": "accounts/local/deploymentShapes/tiny-qwen3-sampler/versions/tiny2k01",
        "hotLoadTrainerJob": f"accounts/local/rlorTrainerJobs/{job}",
    }
    assert here.post(f"{every}?deploymentId=dep", json=asked).status_code == httpx.codes.OK

    def state(*wanted: str) -> dict[str, Any]:
        def look() -> bool:
            found.update(here.get(f"/v1/{name}").json())
            assert found["state"] != "FAILED", found
            return found["state"] in wanted

        found: dict[str, Any] = {}
        wait_for(look, READY_MILLISECONDS / 1000)
        return found

    assert state("READY")["replicaCount"] == 1
    (remote,) = there.get(every).json()["deployments"]
    assert remote["hotLoadTrainerJob"] != asked["hotLoadTrainerJob"], "it is another id there"

    fields = {"fireworks-deployment": name, "fireworks-model": remote["baseModel"]}

    def load(identity: str) -> tuple[int, str]:
        status = here.post(HOT_LOADED, json={"identity": identity}, headers=fields).status_code
        (replica,) = here.get(HOT_LOADED, headers=fields).json()["replicas"]
        return status, replica["current_snapshot_identity"]

    assert load(saved) == (httpx.codes.OK, saved)
    assert load("never-saved") == (httpx.codes.NOT_FOUND, saved), "a bad one leaves what serves"
    body = {"model": name, "prompt": [5, 6, 7], "max_tokens": 4, "logprobs": True}
    answer = here.post("/inference/v1/completions", json=body).json()
    assert (answer["model"], answer["snapshot_identity"]) == (name, saved)
    with here.stream("POST", "/inference/v1/completions", json=body | {"stream": True}) as stream:
        streamed = stream.read().decode()
    assert f'"{name}"' in streamed.replace('": "', '":"') and remote["name"] not in streamed
    assert here.patch(f"/v1/{name}", json={"minReplicaCount": 0, "maxReplicaCount": 0}).status_code == httpx.codes.OK
    assert state("READY")["desiredReplicaCount"] == 0
    assert there.get(f"/v1/{remote['name']}").json()["desiredReplicaCount"] == 0
    assert here.delete(f"/v1/{name}").status_code == httpx.codes.OK
    wait_for(lambda: not there.get(every).json()["deployments"])


def test_a_shape_runs_where_the_connection_is(
    admin_page: Page, slipway_server: SlipwayServer, far: SlipwayServer, key_there: str
) -> None:
    page = admin_page
    offer_another_shape(far)
    add_connection(page, far, key_there)
    sync_catalog(page)

    page.goto(f"/shapes/local/{OFFERED_THERE}/launch")
    page.get_by_label("Where it runs").select_option("far")
    expect(page.get_by_label("Recipe")).to_have_value("none")  # what drives it there is chosen
    page.get_by_role("button", name="Launch trainer").click()
    expect(page.locator("[data-ready='true']").first).to_be_attached(timeout=READY_MILLISECONDS)
    job = page.locator("[data-copy^='launch-']").first.get_attribute("data-copy")
    assert job
    (there,) = jobs_there(far, key_there)
    assert there["state"] == "JOB_STATE_RUNNING"
    assert not there["name"].endswith(job)  # its id there is made of ours, which may be anybody's there

    key = new_key(slipway_server)
    losses, saved = train(slipway_server, job, key)
    assert losses[-1] < losses[0], "the loss falls"
    drawn = page.locator("#records tbody tr")
    expect(drawn).to_have_count(STEPS, timeout=SEEN_MILLISECONDS)

    serve_there(slipway_server, far, key, key_there, job, saved)
    page.get_by_role("button", name="Cancel").first.click()
    page.get_by_role("button", name="Cancel the launch").click()
    expect(page.locator("[data-state='CANCELLED']").first).to_be_attached(timeout=SEEN_MILLISECONDS)
    assert [each["state"] for each in jobs_there(far, key_there)] == ["JOB_STATE_CANCELLED"]
