"""The official SDK drives trainers that were launched from the form: train, save, cancel, launch again, load, go on;
and one that starts from the model that the first one's weights became."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.browser import Browser
from tests.e2e.conftest import ROOT, SlipwayServer
from tests.sdk.environments import ensure_environment

DRIVER = ROOT / "tests" / "sdk" / "drive_trainer.py"
STEPS = 10


@pytest.fixture(scope="module")
def browser(slipway_server: SlipwayServer) -> Browser:
    return Browser(slipway_server)


def drive(html: str, *arguments: str) -> list[dict[str, Any]]:
    """Run the driver against the trainer that a launch's page tells how to connect to."""
    direct = html.partition('id="token"')[2]
    endpoint, token = re.search(r"http://127\.0\.0\.1:\d+", direct), re.search(r"slt-[0-9a-f]{64}", direct)
    assert endpoint
    assert token
    python: Path = ensure_environment("sdk")
    done = subprocess.run(
        [str(python), str(DRIVER), arguments[0], "--base-url", endpoint[0], *arguments[1:]],
        env=os.environ | {"SLIPWAY_TRAINER_TOKEN": token[0]},
        capture_output=True,
        text=True,
        timeout=600,
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
    trained = drive(html, "train", "--mode", mode, "--steps", str(STEPS), "--save", "ten", "--sampler", "last")
    steps, after_training = losses(trained, "step"), losses(trained, "evaluated")[-1]
    assert len(steps) == STEPS
    assert after_training < steps[0], "the loss falls"
    refused = [event["message"] for event in trained if event["event"] == "refused"]
    for message, text in zip(
        refused, ("target_tokens.data[1] must be", "unheard_of is not known", "no checkpoint no-such"), strict=True
    ):
        assert text in message
    assert [event["path"] for event in trained if event["event"] == "saved"] == ["ten", "ten-2"]

    browser.wait_for(first, r">\s*ten\s*<")
    model = promoted(browser, first, next(event["path"] for event in trained if event["event"] == "sampler"), mode)
    browser.post(first, f"{first}/cancel")
    browser.wait_for(first, r'data-state="CANCELLED"')

    second = browser.launch(shape, recipe="none")
    html = browser.wait_for(second, r'data-ready="true"')
    name = browser.job_of(first)
    resumed = drive(html, "resume", "--mode", mode, "--steps", "3", "--load", f"cross_job://{name}/ten")
    after_loading, at_the_end = losses(resumed, "evaluated")[0], losses(resumed, "evaluated")[-1]
    assert after_loading == pytest.approx(after_training, rel=1e-4), "the loss goes on where it was"
    assert at_the_end < after_loading
    browser.post(second, f"{second}/cancel")
    browser.wait_for(second, r'data-state="CANCELLED"')

    if mode == "full":
        start_from(browser, shape, f"accounts/local/models/{model}", loss=after_training)


def start_from(browser: Browser, shape: str, model: str, *, loss: float) -> None:
    """A launch of the model, whose first step says what the trainer said whose weights it has."""
    third = browser.launch(shape, recipe="none", base_model=model)
    html = browser.wait_for(third, r'data-ready="true"')
    went_on = drive(html, "train", "--mode", "full", "--steps", "1", "--base-model", model)
    assert losses(went_on, "step")[0] == pytest.approx(loss, rel=1e-5)
    browser.post(third, f"{third}/cancel")
    browser.wait_for(third, r'data-state="CANCELLED"')


def promoted(browser: Browser, launch: str, checkpoint: str, mode: str) -> str:
    """The id of the model that the checkpoint has become, by the form of the launch's page."""
    page = f"{launch}/checkpoints/{checkpoint}/promote"
    browser.wait_for(launch, re.escape(page))
    answer = browser.post(page, page, model_id=f"sdk-{mode}", display_name="")
    browser.wait_for(answer.headers["location"], r'data-state="READY"')
    return f"sdk-{mode}"
