"""The official SDK drives trainers that were launched from the form: train, save, cancel, launch again, load, go on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import ROOT, SlipwayServer
from tests.sdk.environments import ensure_environment

DRIVER = ROOT / "tests" / "sdk" / "drive_trainer.py"
READY_SECONDS = 600
"""The first launch makes the trainer's environment, which takes a minute or two."""
STEPS = 10


class Browser:
    """What a browser without JavaScript does: pages, forms, a session."""

    def __init__(self, server: SlipwayServer) -> None:
        self.client = httpx.Client(base_url=server.url, headers={"Referer": server.url}, timeout=30)
        self.post("/sign-in", "/sign-in", login=server.username, password=server.password)

    def post(self, page: str, action: str, **fields: str) -> httpx.Response:
        """Send the form of a page, hidden fields and all."""
        html = self.client.get(page).raise_for_status().text
        hidden = re.findall(r'<input type="hidden" name="(idempotency_key|version)" value="([^"]*)"', html)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]*)"', html)
        assert token
        return self.client.post(action, data=dict(hidden) | fields | {"csrfmiddlewaretoken": token[1]})

    def launch(self, shape: str, **fields: str) -> str:
        """Launch from the form; answers the path of the launch's page."""
        path = f"/shapes/local/{shape}/launch"
        answer = self.post(path, path, **fields)
        assert answer.status_code == httpx.codes.SEE_OTHER, answer.text
        return answer.headers["location"]

    def wait_for(self, path: str, pattern: str) -> str:
        """The launch's page once it matches; fails where it does not in time or the launch is over before."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            html = self.client.get(path).raise_for_status().text
            if re.search(pattern, html):
                return html
            assert not re.search(r'data-state="(FAILED|LOST|REJECTED)"', html), html
            time.sleep(0.3)
        pytest.fail(f"{path} did not show {pattern} in {READY_SECONDS} s")


@pytest.fixture(scope="module")
def browser(slipway_server: SlipwayServer) -> Browser:
    return Browser(slipway_server)


def drive(html: str, *arguments: str) -> list[dict[str, Any]]:
    """Run the driver against the trainer that a launch's page tells how to connect to."""
    endpoint, token = re.search(r"http://127\.0\.0\.1:\d+", html), re.search(r"slt-[0-9a-f]{64}", html)
    assert endpoint
    assert token
    python: Path = ensure_environment("sdk")
    done = subprocess.run(
        [str(python), str(DRIVER), arguments[0], "--base-url", endpoint[0], *arguments[1:]],
        env=os.environ | {"SLIPWAY_TRAINER_TOKEN": token[0]},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def losses(events: list[dict[str, Any]], kind: str) -> list[float]:
    return [event["loss_per_token"] for event in events if event["event"] == kind]


@pytest.mark.parametrize(("shape", "mode"), [("tiny-qwen3-2k-lora", "lora"), ("tiny-qwen3-2k", "full")])
def test_train_save_cancel_launch_again_and_go_on(browser: Browser, shape: str, mode: str) -> None:
    first = browser.launch(shape, recipe="none", display_name=f"sdk {mode}")
    html = browser.wait_for(first, r'data-ready="true"')
    trained = drive(html, "train", "--mode", mode, "--steps", str(STEPS), "--save", "ten")
    steps, after_training = losses(trained, "step"), losses(trained, "evaluated")[-1]
    assert len(steps) == STEPS
    assert after_training < steps[0], "the loss falls"

    browser.wait_for(first, r">\s*ten\s*<")
    browser.post(first, f"{first}/cancel")
    browser.wait_for(first, r'data-state="CANCELLED"')

    second = browser.launch(shape, recipe="none")
    html = browser.wait_for(second, r'data-ready="true"')
    job = re.search(
        r"accounts/local/rlorTrainerJobs/(launch-[0-9a-f]+)|\b(launch-[0-9a-f]{12})\b", browser.client.get(first).text
    )
    assert job
    name = job[1] or job[2]
    resumed = drive(html, "resume", "--mode", mode, "--steps", "3", "--load", f"cross_job://{name}/ten")
    after_loading, at_the_end = losses(resumed, "evaluated")[0], losses(resumed, "evaluated")[-1]
    assert after_loading == pytest.approx(after_training, rel=1e-4), "the loss goes on where it was"
    assert at_the_end < after_loading
    browser.post(second, f"{second}/cancel")
    browser.wait_for(second, r'data-state="CANCELLED"')
