"""A draft on its way to a passport: a real worker, a real launch, what it really measured."""

from __future__ import annotations

import json
import os
import re
import signal
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import PATIENCE_MS, SlipwayServer
from tests.e2e.test_launch_live import ENVIRONMENT_MS, findings
from tests.e2e.test_run import BACK_SECONDS, wait_for

LORA, FORWARD = "tiny-qwen3-2k-lora", "tiny-qwen3-2k-forward"
NEW_DRAFT = """
from accounts.actors import SYSTEM
from catalog.domain.create_draft import create_draft
from catalog.models import ShapeVersion

latest = ShapeVersion.objects.get(shape__shape_id="{shape}", is_latest_validated=True)
draft = create_draft(
    actor=SYSTEM, shape=latest.shape, snapshot=latest.frozen_snapshot, launch_fields=latest.fields, based_on=latest
)
print(draft.version_id)
"""
LAUNCHED = """
from launches.models import Launch
print(list(Launch.objects.filter(shape_version__version_id="{version_id}").values_list("attempt_count", flat=True)))
"""
SECONDS = re.compile(r"(\d+\.\d\d) s")


def start_validation(page: Page, server: SlipwayServer, shape: str) -> str:
    """Ask for the validation of a new draft and wait for its launch; the draft's version id."""
    version_id = server.manage("shell", "--no-imports", stdin=NEW_DRAFT.format(shape=shape)).splitlines()[-1]
    page.goto(f"/shapes/local/{shape}/versions/{version_id}/validation")
    page.get_by_role("button", name="Validate").click()
    expect_state(page, "RUNNING", within_ms=PATIENCE_MS)
    return version_id


def expect_state(page: Page, state: str, *, within_ms: float) -> None:
    expect(page.locator("#validation")).to_have_attribute("data-state", state, timeout=within_ms)


def expect_steps(page: Page) -> None:
    """It trains, or has, where all steps were done between two looks."""
    steps = page.get_by_text(re.compile(r"Running [1-9]\d* of 20 steps"))
    expect(steps.or_(page.locator("#validation[data-state=PASSED]"))).to_be_visible(timeout=ENVIRONMENT_MS)


def facts_of(passport: Locator) -> dict[str, str]:
    """The lines of a passport by their label."""
    rows = [row.inner_text().split("\n", 1) for row in passport.locator(".fact").all()]
    return {label.strip(): value.strip() for label, value in rows}


def seconds_in(fact: str) -> float:
    found = SECONDS.search(fact)
    assert found, fact
    return float(found[1])


def expect_measured(passport: Locator) -> dict[str, str]:
    """What every real passport says, whatever ran; all of its facts."""
    facts = facts_of(passport)
    assert "not told by the provider" not in passport.inner_text()
    assert facts["Ran on"].startswith("This machine")
    assert facts["Image asked for"].startswith("none: the provider chooses")
    assert facts["GPUs asked for"].startswith("none")
    assert 0 < seconds_in(facts["Time to ready"]) < ENVIRONMENT_MS / 1000
    assert re.match(r"\d+(\.\d+)?\s(MB|GB)\b", facts["Peak memory"]), facts
    assert facts["Longest context tried"] == "2,048 tokens"
    assert "Measured" in passport.inner_text()
    when, until = (
        datetime.fromisoformat(str(each.get_attribute("datetime"))) for each in passport.locator("time").all()
    )
    assert abs(datetime.now(UTC) - when) < timedelta(minutes=10)
    assert until - when == timedelta(days=90)
    return facts


def test_a_draft_is_run_measured_and_validated(admin_page: Page, slipway_server: SlipwayServer) -> None:
    page = admin_page
    version_id = start_validation(page, slipway_server, LORA)
    page.get_by_role("button", name="Stop", exact=True).click()  # early: of steps there are few, and they are quick
    page.wait_for_event("response", lambda answer: answer.url == page.url)  # it refreshes itself under the dialog
    page.get_by_role("button", name="Keep it").click()
    expect_steps(page)
    expect_state(page, "PASSED", within_ms=ENVIRONMENT_MS)
    passport = page.get_by_role("region", name="Passport")
    facts = expect_measured(passport)
    assert seconds_in(facts["Time per step"]) > 0
    told = re.match(r"(\d+\.\d+) → (\d+\.\d+)", facts["Loss per token"])
    assert told, facts
    assert float(told[2]) < float(told[1]), "the loss does not fall"
    assert "Forward passes" not in facts
    assert findings(page) == []
    page.get_by_role("link", name="its launch").click()
    expect(page.get_by_role("heading", name=f"Validation of {version_id}")).to_be_visible()
    expect(page.get_by_role("button", name="Resume")).to_have_count(0)  # nothing is left to train
    page.goto(f"/shapes/local/{LORA}?version={version_id}")
    expect(page.get_by_role("region", name="Passport")).to_contain_text("2,048 tokens")


def test_a_forward_only_draft_counts_forwards_and_their_time(admin_page: Page, slipway_server: SlipwayServer) -> None:
    start_validation(admin_page, slipway_server, FORWARD)
    expect_state(admin_page, "PASSED", within_ms=ENVIRONMENT_MS)
    facts = expect_measured(admin_page.get_by_role("region", name="Passport"))
    assert re.match(r"20 in \d+\.\d\d s", facts["Forward passes"]), facts
    assert seconds_in(facts["Forward passes"]) > 0
    assert {"Loss per token", "Time per step"}.isdisjoint(facts)


@pytest.mark.parametrize("moment", ["while the trainer starts", "while it trains"])
def test_a_worker_that_is_killed_costs_time_only(admin_page: Page, slipway_server: SlipwayServer, moment: str) -> None:
    version_id = start_validation(admin_page, slipway_server, LORA)
    if moment == "while it trains":
        expect_steps(admin_page)
    killed = worker_of(slipway_server)
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: worker_of(slipway_server) != killed, BACK_SECONDS, "the restart of the worker")
    expect_state(admin_page, "PASSED", within_ms=ENVIRONMENT_MS)
    expect_measured(admin_page.get_by_role("region", name="Passport"))
    launched = slipway_server.manage("shell", "--no-imports", stdin=LAUNCHED.format(version_id=version_id))
    assert launched.splitlines()[-1] == "[1]", "one launch with one attempt"


def worker_of(server: SlipwayServer) -> int:
    """The pid of its worker."""
    return int(json.loads((server.home / "run.json").read_text())["children"]["worker"]["pid"])
