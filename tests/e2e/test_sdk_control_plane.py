"""The unmodified official SDK against the whole of Slipway: the control plane's API, the gateway, and real trainers."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.browser import Browser
from tests.e2e.conftest import ROOT, SlipwayServer
from tests.sdk.environments import ensure_environment

DRIVER = ROOT / "tests" / "sdk" / "drive_control_plane.py"
MODEL = "accounts/local/models/tiny-qwen3"
LORA = "accounts/local/trainingShapes/tiny-qwen3-2k-lora"
FULL = "accounts/local/trainingShapes/tiny-qwen3-2k"
KEY_NAME = "conformance"
MOST_SECONDS = 600
STEPS = 10
Events = list[dict[str, Any]]


class Driving:
    """The driver while it runs. It is ended where it takes too long."""

    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        command = [str(ensure_environment("sdk")), str(DRIVER), *arguments]
        self.events: Events = []
        self._said: list[str] = []
        self._process = subprocess.Popen(
            command,
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._limit = threading.Timer(MOST_SECONDS, self._process.kill)
        self._limit.daemon = True
        self._limit.start()

    @property
    def is_running(self) -> bool:
        """Whether its process still runs."""
        return self._process.poll() is None

    def until(self, event: str) -> None:
        """Read on until the driver says so."""
        assert self._process.stdout
        for line in self._process.stdout:
            self._said.append(line)
            if line.startswith('{"event"'):
                self.events.append(json.loads(line))
                if self.events[-1]["event"] == event:
                    return
        pytest.fail(f"The driver ended before {event!r}. It said:\n{''.join(self._said)}")

    def go_on(self) -> None:
        """Let a driver that waits go on."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def finish(self) -> Events:
        """All that it said, once it is done."""
        self.until("finished")
        assert self._process.wait(MOST_SECONDS) == 0, "".join(self._said)
        self._limit.cancel()
        return self.events


class Sdk:
    """Programs of somebody who has a key of the account `local`."""

    def __init__(self, server: SlipwayServer) -> None:
        torch = next((ensure_environment("trainer").parent.parent / "lib").glob("python3.*/site-packages"))
        self.server = server
        self.key = server.manage(
            *("create_api_key", "--account", "local", "--user", server.username, "--scope", "publish"),
            *("--name", KEY_NAME),
        )
        self.environment = {
            "FIREWORKS_API_KEY": self.key,
            "FIREWORKS_BASE_URL": server.url,
            "DRIVER_TORCH": str(torch),
        }

    def start(self, *arguments: str) -> Driving:
        return Driving(self.environment, *arguments)

    def run(self, *arguments: str) -> Events:
        return self.start(*arguments).finish()

    def post(self, path: str, body: dict[str, Any]) -> None:
        """Ask the API for what the SDK has no call for."""
        answer = httpx.post(f"{self.server.url}/v1/{path}", json=body, headers={"X-Api-Key": self.key}, timeout=60)
        assert answer.is_success, answer.text


@pytest.fixture(scope="module")
def sdk(slipway_server: SlipwayServer) -> Sdk:
    return Sdk(slipway_server)


@pytest.fixture(scope="module")
def visitor(slipway_server: SlipwayServer) -> Browser:
    return Browser(slipway_server)


@pytest.fixture
def job(request: pytest.FixtureRequest, sdk: Sdk) -> Iterator[str]:
    """An id for a job, which is deleted however the test ends, so that the next one finds room."""
    name = "sdk-" + request.function.__name__.removeprefix("test_").replace("_", "-")[:50]
    yield name
    address = f"{sdk.server.url}/v1/accounts/local/rlorTrainerJobs/{name}"
    httpx.delete(address, headers={"X-Api-Key": sdk.key}, timeout=60)


def one(events: Events, name: str) -> dict[str, Any]:
    return next(event for event in events if event["event"] == name)


def losses(events: Events, *names: str) -> list[float]:
    return [event["loss_per_token"] for event in events if event["event"] in names]


def check_preferences(events: Events) -> None:
    """The loss that the driver computes by itself begins where nothing is preferred, and falls."""
    preferences = [event["loss"] for event in events if event["event"] == "preference"]
    assert preferences[0] == pytest.approx(0.6931, abs=1e-3)
    assert preferences[-1] < preferences[0]


def page_of(visitor: Browser, display_name: str, driving: Driving) -> str:
    """The path of the launch's page, from the list of launches as soon as it is there."""
    row = None
    while row is None:
        assert driving.is_running, f"{display_name!r} was not launched"
        row = re.search(
            rf'href="(/launches/[0-9a-f-]{{36}})"[^>]*>\s*{re.escape(display_name)}', visitor.read("/launches")
        )
        time.sleep(0.2)
    return row[1]


def kill_trainer(server: SlipwayServer, job: str, *, attempt: int) -> None:
    """End the trainer's process as a machine does that runs out of memory."""
    directory: Path = server.home / "local" / "jobs" / "local" / job / "attempts" / str(attempt)
    os.kill(json.loads((directory / "trainer.json").read_text())["pid"], signal.SIGKILL)


def test_profiles(sdk: Sdk) -> None:
    bare = one(sdk.run("profiles", LORA), "profile")
    assert bare["training_shape"] == LORA
    assert bare["trainer_mode"] == "LORA_TRAINER"
    assert bare["supports_lora"] is True
    assert bare["max_supported_context_length"] == 2048
    pinned, full = [
        event for event in sdk.run("profiles", bare["training_shape_version"], FULL) if event["event"] == "profile"
    ]
    assert pinned == bare
    assert full["trainer_mode"] == "POLICY_TRAINER"
    assert full["supports_lora"] is False


def test_what_is_refused_is_said_in_words(sdk: Sdk) -> None:
    draft = {
        "baseModel": MODEL,
        "trainerMode": "LORA_TRAINER",
        "acceleratorCount": 0,
        "maxSupportedContextLength": 2048,
    }
    sdk.post("accounts/local/trainingShapes?trainingShapeId=only-a-draft", draft | {"maxSupportedContextLength": 2048})
    unvalidated = "accounts/local/trainingShapes/only-a-draft"
    events = sdk.run(
        *("errors", "--model", MODEL, "--lora-shape", LORA, "--full-shape", FULL, "--unvalidated-shape", unvalidated)
    )
    refused = {event["case"]: event for event in events if event["event"] == "refused"}
    assert not [event for event in events if event["event"] == "accepted"]
    words = {
        "unknown shape": ("RuntimeError", f"There is no {LORA}-nope that this API key may see."),
        "unknown version": ("RuntimeError", f"There is no {LORA}/versions/zzzzzzzz that this API key may see."),
        "unvalidated shape": ("RuntimeError", "No latest validated training-shape version was returned."),
        "job of an unknown shape": ("TrainingAPIError", f"(HTTP 404): There is no {LORA}-nope"),
        "job of an unvalidated shape": ("TrainingAPIError", f"{unvalidated} has no validated version"),
        "wrong key": ("RuntimeError", "The API key is unknown, expired or revoked."),
        "owned field": ("ValueError", "accelerator_type cannot be set when training shape selection is enabled."),
        "owned field, sent with a shape": ("TrainingAPIError", f"is owned by the shape ({FULL}/versions/"),
        "owned field, by hand": ("TrainingAPIError", "Training shapes own the hardware here"),
        "rank of a policy shape": ("TrainingAPIError", "needs a LoRA shape; this is a Policy shape"),
        "no such shape to choose": ("TrainingAPIError", f"Near misses: {FULL}: its context is 2k"),
        "another model": ("TrainingAPIError", f"which is made for {MODEL}"),
        "learning rate": ("TrainingAPIError", "trainingConfig.learningRate: 7.0 is above the limit of 1."),
        "checkpoints of no job": ("RuntimeError", "There is no accounts/local/rlorTrainerJobs/nope."),
        "no job": ("RuntimeError", "Trainer job nope was not found in this account"),
    }
    assert refused.keys() == words.keys()
    for case, (kind, text) in words.items():
        assert refused[case]["type"] == kind, refused[case]
        assert text in refused[case]["message"]


def test_a_lora_loop_outlives_its_trainer(sdk: Sdk, visitor: Browser, job: str) -> None:
    driving = sdk.start(
        *("train", "--job", job, "--model", MODEL, "--shape", LORA, "--rank", "8", "--steps", str(STEPS)),
        *("--preferences", "3", "--save", "ten", "--interrupted"),
    )
    page = page_of(visitor, f"sdk {job}", driving)
    assert f"(key {KEY_NAME})" in visitor.read(page), "the timeline says whose key it was"

    driving.until("waiting")
    trained = driving.events
    steps = losses(trained, "step")
    assert len(steps) == STEPS
    assert steps[-1] < 0.9 * steps[0], "the loss falls"
    check_preferences(trained)
    saved, moved, loaded = losses(trained, "saved", "moved", "loaded")
    assert one(trained, "saved")["listed"] == ["ten"]
    assert moved != pytest.approx(saved, rel=1e-2)
    assert loaded == pytest.approx(saved, rel=1e-4)
    visitor.wait_for(page, r">\s*ten\s*<")

    kill_trainer(sdk.server, job, attempt=1)
    driving.go_on()
    events = driving.finish()
    refusal = one(events, "refused")
    assert refusal["type"] == "NotFoundError"
    assert f"{job} is over (FAILED). Resume it to train on." in refusal["message"]
    assert one(events, "reconnected")["job_id"] == job
    assert losses(events, "loaded")[-1] == pytest.approx(saved, rel=1e-4), "the loss goes on where it was"
    assert one(events, "went on")["loss_per_token"] < saved
    assert one(events, "closed")["job"]["state"] == "JOB_STATE_RUNNING"
    visitor.wait_for(page, "Attempt 2")

    listed = one(sdk.run("checkpoints", job), "checkpoints")["checkpoints"]
    assert [row["name"] for row in listed] == [f"accounts/local/rlorTrainerJobs/{job}/checkpoints/ten"]
    assert listed[0]["checkpointType"] == "CHECKPOINT_TYPE_TRAINING_LORA"
    assert one(sdk.run("delete", job), "deleted")["job"]["state"] == "JOB_STATE_DELETED"


def test_a_full_parameter_loop_that_the_sdk_cleans_up_after(sdk: Sdk, job: str) -> None:
    events = sdk.run(
        *("train", "--job", job, "--model", MODEL, "--shape", FULL, "--steps", str(STEPS)),
        *("--preferences", "3", "--save", "ten", "--delete"),
    )
    steps = losses(events, "step")
    assert len(steps) == STEPS
    assert steps[-1] < 0.9 * steps[0]
    check_preferences(events)
    saved, moved, loaded = losses(events, "saved", "moved", "loaded")
    assert moved != pytest.approx(saved, rel=1e-2)
    assert loaded == pytest.approx(saved, rel=1e-4)
    assert one(events, "closed")["job"]["state"] == "JOB_STATE_DELETED"


def test_the_server_chooses_a_shape_and_an_id_is_taken_once(sdk: Sdk, job: str) -> None:
    events = sdk.run("create", "--job", job, "--model", MODEL, "--rank", "16")
    created, repeated = one(events, "created"), one(events, "repeated")
    assert created["job_name"] == repeated["job_name"] == f"accounts/local/rlorTrainerJobs/{job}"
    assert created["base_url"] == f"{sdk.server.url}/training/v1/rlorTrainerJobs/local/{job}"
    assert created["max_context_length"] == 2048
    assert repeated["seconds"] < created["seconds"], "the SDK takes the job that is there"
    found = one(sdk.run("get", job), "got")["job"]
    assert found["trainingShapeVersion"].startswith(f"{LORA}/versions/")
    assert found["trainingConfig"]["loraRank"] == 16


def test_a_launch_by_the_form_is_the_sdks_too(sdk: Sdk, visitor: Browser) -> None:
    page = visitor.launch("tiny-qwen3-2k-lora", recipe="none", display_name="by the form")
    job = visitor.job_of(page)
    assert one(sdk.run("get", job), "got")["job"]["displayName"] == "by the form"
    visitor.post(page, f"{page}/cancel")
    visitor.wait_for(page, r'data-state="CANCELLED"')
    assert one(sdk.run("get", job), "got")["job"]["state"] == "JOB_STATE_CANCELLED"
    assert one(sdk.run("resume", job), "resumed")["job_id"] == job
    visitor.wait_for(page, r'data-ready="true"')
    assert one(sdk.run("reconnect", job), "reconnected")["job_id"] == job, "one that runs is there at once"
    assert one(sdk.run("delete", job), "deleted")["job"]["state"] == "JOB_STATE_DELETED"
    deadline = time.monotonic() + MOST_SECONDS
    while job in visitor.read("/launches") and time.monotonic() < deadline:
        time.sleep(0.2)
    assert job not in visitor.read("/launches")
    assert one(sdk.run("get", "no-such-job"), "got")["job"] is None
