"""The official SDK's own loop of reinforcement learning, and what becomes of the set when one of it is killed.

One loop serves the whole file: a trainer and its sampler, made by the SDK, which stay when the loop dies.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import httpx
import psutil
import pytest

from tests.e2e.conftest import ROOT, SlipwayServer
from tests.sdk.environments import ensure_environment
from tests.waiting import wait_for

DRIVER = ROOT / "tests" / "sdk" / "drive_rl.py"
MODEL, SHAPE = "accounts/local/models/tiny-qwen3", "accounts/local/trainingShapes/tiny-qwen3-2k-lora"
STEPS = 9
PATIENCE = 300


@dataclass
class Loop:
    """What the loop made and said; its process has died without a word to anybody."""

    server: SlipwayServer
    api: httpx.Client
    job: str
    deployment: str
    steps: list[dict[str, Any]]

    @property
    def sampler(self) -> dict[str, Any]:
        """The deployment as the API tells it."""
        answer: dict[str, Any] = self.api.get(f"/v1/accounts/local/deployments/{self.deployment}").json()
        return answer

    @property
    def trainer(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.api.get(f"/v1/accounts/local/rlorTrainerJobs/{self.job}").json()
        return answer

    def processes(self, package: str, name: str) -> list[psutil.Process]:
        """Of that trainer or deployment, those that compute."""
        found = [each for each in psutil.process_iter(["cmdline"]) if package in (each.info["cmdline"] or ())]
        return [each for each in found if any(f"/{name}" in part for part in each.info["cmdline"])]

    def update(self, **changes: Any) -> None:
        answer = self.api.patch(f"/v1/accounts/local/deployments/{self.deployment}", json=changes)
        assert answer.status_code == httpx.codes.OK, answer.text

    def load(self, identity: str) -> httpx.Response:
        """Ask for a hot load, as the SDK does."""
        fields = {"fireworks-deployment": f"accounts/local/deployments/{self.deployment}", "fireworks-model": MODEL}
        return self.api.post("/hot_load/v1/models/hot_load", json={"identity": identity}, headers=fields)

    def serves(self) -> str:
        """The identity of what answers a request for completions."""
        asked = {"model": f"accounts/local/deployments/{self.deployment}", "prompt": [1, 2], "max_tokens": 1}
        answer = self.api.post("/inference/v1/completions", json=asked)
        assert answer.status_code == httpx.codes.OK, answer.text
        return str(answer.json()["snapshot_identity"])


@pytest.fixture(scope="module")
def loop(slipway_server: SlipwayServer) -> Iterator[Loop]:
    made = slipway_server.manage(
        *("create_api_key", "--account", "local", "--user", slipway_server.username),
        *("--scope", "launch", "--name", "reinforcement"),
    )
    key = made.split()[-1]
    done = subprocess.run(
        [str(ensure_environment("sdk")), str(DRIVER), MODEL, SHAPE, str(STEPS)],
        env=os.environ | {"FIREWORKS_API_KEY": key, "FIREWORKS_BASE_URL": slipway_server.url},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=560,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [each["event"] for each in told] == ["ready", *["step"] * STEPS, "trained"]
    with httpx.Client(base_url=slipway_server.url, headers={"X-Api-Key": key}, timeout=120) as api:
        yield Loop(slipway_server, api, told[0]["job"], told[0]["deployment"], told[1:-1])


def test_the_loop_learns_and_its_set_is_seen_and_ends_truly_whatever_is_killed(loop: Loop) -> None:
    _is_shown(loop)
    _the_sampler_is_killed_in_the_middle_of_a_swap(loop)
    _the_worker_is_killed_in_the_middle_of_a_swap(loop)
    _the_trainer_is_killed(loop)
    rewards = [step["reward"] for step in loop.steps]
    assert fmean(rewards[-3:]) > fmean(rewards[:3]), rewards


def _is_shown(loop: Loop) -> None:
    """The launch's panel has a step for each set of weights that answered, with the reward that the loop told."""
    browser = _signed_in(loop.server)
    found = re.search(r'href="/launches/([0-9a-f-]{36})"', browser.get(f"/launches?q={loop.job}").text)
    assert found
    uid = found[1]
    wait_for(lambda: all(row["tokensOut"] for row in _records(browser, uid)[:-1]), PATIENCE)
    told = _records(browser, uid)
    assert [row["step"] for row in told] == list(range(STEPS + 1))
    assert [row["reward"] for row in told[1:]] == pytest.approx([step["reward"] for step in loop.steps])
    assert all(row["tokensOut"] <= 32 * 12 and row["staleness"] == 0 for row in told[1:-1])
    assert all(row["loading"] > 0 and row["training"] > 0 for row in told[1:])


def _records(browser: httpx.Client, uid: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = browser.get(f"/launches/{uid}/sampling/records").json()["records"]
    return found if len(found) > STEPS else [{"tokensOut": None}] * 2


def _signed_in(server: SlipwayServer) -> httpx.Client:
    browser = httpx.Client(base_url=server.url, headers={"Referer": server.url}, timeout=60)
    browser.get("/sign-in").raise_for_status()
    fields = {"login": server.username, "password": server.password}
    browser.post("/sign-in", data=fields | {"csrfmiddlewaretoken": browser.cookies["csrftoken"]})
    return browser


def _the_sampler_is_killed_in_the_middle_of_a_swap(loop: Loop) -> None:
    """It failed, and says why; its trainer runs on. Asked for again it serves what it served."""
    (sampler,) = loop.processes("sampler", loop.deployment)
    answers = _swap(loop, sampler, loop.steps[0]["identity"], lambda: sampler.send_signal(signal.SIGKILL))
    assert all(answer.status_code >= 500 for answer in answers), answers
    wait_for(lambda: loop.sampler["state"] == "FAILED", PATIENCE)
    assert "was killed" in loop.sampler["status"]["message"]
    assert loop.trainer["state"] == "JOB_STATE_RUNNING"
    assert not loop.processes("sampler", loop.deployment)
    loop.update(minReplicaCount=1, maxReplicaCount=1)
    wait_for(lambda: loop.sampler["state"] == "READY", PATIENCE)
    assert loop.serves() == loop.steps[-1]["identity"]


def _the_worker_is_killed_in_the_middle_of_a_swap(loop: Loop) -> None:
    """The swap is the sampler's own: it goes on, and what the next worker finds is the one sampler that there was."""
    (sampler,) = loop.processes("sampler", loop.deployment)
    worker = json.loads((loop.server.home / "run.json").read_text())["children"]["worker"]["pid"]
    (answer,) = _swap(loop, sampler, loop.steps[0]["identity"], lambda: os.killpg(worker, signal.SIGKILL))
    assert answer.json()["status"] == "loaded", answer.text
    assert loop.serves() == loop.steps[0]["identity"]
    wait_for(lambda: loop.sampler["replicaCount"] == 1 and loop.sampler["state"] == "READY", PATIENCE)
    assert loop.processes("sampler", loop.deployment) == [sampler]


def _swap(loop: Loop, sampler: psutil.Process, identity: str, kill: Any) -> list[httpx.Response]:
    """Ask for a hot load of a sampler that stands still, kill somebody, and let it go on."""
    answers: list[httpx.Response] = []
    sampler.suspend()
    asking = threading.Thread(target=lambda: answers.append(loop.load(identity)))
    asking.start()
    (port,) = [each.laddr.port for each in sampler.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
    wait_for(lambda: _holds_bytes(port))
    kill()
    if sampler.is_running() and sampler.status() == psutil.STATUS_STOPPED:
        sampler.resume()
    asking.join()
    return answers


def _holds_bytes(port: int) -> bool:
    """Whether something was sent to that port of this machine which nobody has read."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(
        local.endswith(f":{port:04X}") and int(queues.partition(":")[2], 16) for _, local, _, _, queues, *_ in rows
    )


def _the_trainer_is_killed(loop: Loop) -> None:
    """It failed, and says why; its sampler answers still and stands among the orphans, until somebody deletes it."""
    for trainer in loop.processes("trainer", loop.job):
        trainer.kill()
    wait_for(lambda: loop.trainer["state"] == "JOB_STATE_FAILED", PATIENCE)
    assert loop.trainer["status"]["message"]
    assert loop.sampler["state"] == "READY" and loop.serves()
    assert loop.deployment in _signed_in(loop.server).get("/deployments/orphans").text
    for name in (f"deployments/{loop.deployment}", f"rlorTrainerJobs/{loop.job}"):
        assert loop.api.delete(f"/v1/accounts/local/{name}").status_code == httpx.codes.OK
    gone = f"/v1/accounts/local/deployments/{loop.deployment}"
    wait_for(lambda: loop.api.get(gone).status_code == httpx.codes.NOT_FOUND, PATIENCE)
    assert not loop.processes("sampler", loop.deployment) and not loop.processes("trainer", loop.job)
    assert not list((Path(loop.server.home) / "local" / "samplers" / "jobs" / "local").glob(f"{loop.deployment}*"))
