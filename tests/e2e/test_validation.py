"""A draft on its way to a passport: a real worker, a real launch, what it really measured."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.e2e.conftest import SlipwayServer
from tests.e2e.test_launch_live import ENVIRONMENT_MS, findings

SHAPE = "tiny-qwen3-2k-lora"
NEW_DRAFT = f"""
from accounts.actors import SYSTEM
from catalog.domain.create_draft import create_draft
from catalog.models import ShapeVersion

latest = ShapeVersion.objects.get(shape__shape_id="{SHAPE}", is_latest_validated=True)
draft = create_draft(
    actor=SYSTEM, shape=latest.shape, snapshot=latest.frozen_snapshot, launch_fields=latest.fields, based_on=latest
)
print(draft.version_id)
"""


def test_a_draft_is_run_measured_and_validated(admin_page: Page, slipway_server: SlipwayServer) -> None:
    page = admin_page
    version_id = slipway_server.manage("shell", "--no-imports", stdin=NEW_DRAFT).splitlines()[-1]
    page.goto(f"/shapes/local/{SHAPE}/versions/{version_id}/validation")
    page.get_by_role("button", name="Validate").click()
    expect(page.locator("#validation")).to_have_attribute("data-state", "RUNNING", timeout=30_000)
    expect(page.get_by_text(re.compile(r"Running [1-9]\d* of 20 steps"))).to_be_visible(timeout=ENVIRONMENT_MS)
    page.get_by_role("button", name="Stop", exact=True).click()
    page.wait_for_event("response", lambda answer: answer.url == page.url)  # it refreshes itself under the dialog
    page.get_by_role("button", name="Keep it").click()
    expect(page.locator("#validation")).to_have_attribute("data-state", "PASSED", timeout=ENVIRONMENT_MS)
    passport = page.get_by_role("region", name="Passport")
    expect(passport).to_contain_text("This machine")
    expect(passport).to_contain_text("2,048 tokens")
    told = re.search(r"(\d+\.\d+) → (\d+\.\d+)", passport.inner_text())
    assert told, passport.inner_text()
    assert float(told[2]) < float(told[1]), "the loss does not fall"
    assert findings(page) == []
    page.get_by_role("link", name="its launch").click()
    expect(page.get_by_role("heading", name=f"Validation of {version_id}")).to_be_visible()
    page.goto(f"/shapes/local/{SHAPE}?version={version_id}")
    expect(page.get_by_role("region", name="Passport")).to_contain_text("2,048 tokens")
