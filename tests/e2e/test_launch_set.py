"""A policy with its reference and its sampler, from the form: real processes, and one page for all of them."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.e2e.test_launch_live import ENVIRONMENT_MS, LAUNCH, findings

FORM = "/shapes/local/tiny-qwen3-2k/launch"


def test_a_set_starts_shows_and_ends_as_one(admin_page: Page) -> None:
    page = admin_page
    page.goto(FORM)
    page.get_by_label("Display name").fill("First set")
    page.get_by_label("Recipe").select_option("none")
    page.get_by_label("Reference").select_option("yes")
    page.get_by_label("Deployment replicas").fill("1")
    page.get_by_role("button", name="Launch trainer").click()
    page.wait_for_url(LAUNCH)
    members = page.get_by_role("region", name="Runs together")
    for role, name in (("Policy", "First set"), ("Reference", "First set (reference)"), ("Sampler", "-sampler")):
        expect(members.get_by_role("row").filter(has_text=role)).to_contain_text(name)
    expect(members.locator(".chip-success")).to_have_count(2, timeout=ENVIRONMENT_MS)
    expect(members.locator(".state-ready")).to_be_visible(timeout=ENVIRONMENT_MS)
    assert findings(page) == []
    page.get_by_role("button", name="Cancel", exact=True).click()
    asked = page.get_by_role("dialog")
    expect(asked.get_by_text("First set (reference)")).to_be_visible()
    expect(asked.get_by_label("End it, too")).to_be_checked()
    assert findings(page) == []
    page.get_by_role("button", name="Cancel the launch").click()
    expect(members.locator(".state-cancelled")).to_have_count(2, timeout=ENVIRONMENT_MS)
    expect(members.locator(".state-asleep")).to_be_visible(timeout=ENVIRONMENT_MS)
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("dialog").get_by_label("Delete it, too")).to_be_checked()
    page.get_by_role("button", name="Delete the launch").click()
    page.wait_for_url(re.compile(r"/launches$"))
    expect(page.locator("#launches").get_by_text("First set")).to_have_count(0)
