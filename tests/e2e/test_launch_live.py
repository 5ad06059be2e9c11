"""A launch's page while it runs: a real worker, a real trainer, real curves."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import BrowserContext, Locator, Page, Request, expect

FORM = "/shapes/local/tiny-qwen3-2k-lora/launch"
FULL = "/shapes/local/tiny-qwen3-2k/launch"
"""The form of a full-parameter policy, which may have a reference."""
LAUNCH = re.compile(r"/launches/[0-9a-f-]{36}$")
AXE = Path(__file__).parent.parent / "vendor" / "axe.min.js"
ENVIRONMENT_MS = 600_000
"""The first launch prepares the trainer's environment."""


def launch(page: Page, name: str, recipe: str) -> None:
    """Launch from the form and arrive at the launch's page."""
    page.goto(FORM)
    page.get_by_label("Display name").fill(name)
    page.get_by_label("Learning rate").fill("3e-3")
    page.get_by_label("Recipe").select_option(recipe)
    page.get_by_role("button", name="Launch trainer").click()
    page.wait_for_url(LAUNCH)


def expect_state(page: Page, state: str, *, within_ms: float) -> None:
    """Without reloading, the page comes to show the state."""
    expect(page.locator("[data-state]")).to_have_attribute("data-state", state, timeout=within_ms)


def cancel(page: Page) -> None:
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the launch").click()


def findings(page: Page) -> list[str]:
    """axe's serious and critical findings."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{violation['id']}: {node['html'][:200]}"
        for violation in found["violations"]
        if violation["impact"] in {"serious", "critical"}
        for node in violation["nodes"]
    ]


def test_a_launch_goes_to_completed_with_its_curve_drawn(admin_page: Page) -> None:
    page = admin_page
    launch(page, "first curve", "sample-sft")
    expect_state(page, "COMPLETED", within_ms=ENVIRONMENT_MS)
    expect(page.locator("#charts canvas")).to_have_count(2)
    expect(page.locator("#log")).to_contain_text("step")
    records = page.request.get(f"{page.url}/metrics").json()["records"]
    losses = [record["loss"] for record in records]
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5]), "the loss does not fall"
    expect(page.get_by_text("Completed").first).to_be_visible()
    expect(page.get_by_role("region", name="Checkpoints", exact=True)).to_contain_text("step-")
    assert findings(page) == []


def test_a_zoom_stays_while_a_run_goes_on_and_is_one_curve_when_resumed(admin_page: Page) -> None:
    page = admin_page
    launch(page, "zoomed and resumed", "sample-sft")
    hint = page.get_by_text("Drag over a curve to zoom in.")
    expect(hint).to_be_visible(timeout=ENVIRONMENT_MS)
    expect(page.locator("#step")).to_have_text(re.compile("^([4-9]|..)$"), timeout=ENVIRONMENT_MS)
    box = page.locator(".u-over").first.bounding_box()
    assert box
    end, height = box["x"] + box["width"] - 1, box["y"] + 60

    def last_shown() -> Locator:
        """What is said of the right end of the curve."""
        page.mouse.move(end - 40, height)
        page.mouse.move(end, height)
        return page.locator("#charts output").first

    page.mouse.move(box["x"] + 2, height)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], height, steps=5)
    page.mouse.up()
    everything = page.get_by_role("button", name="Show all steps")
    expect(everything).to_be_visible()
    zoomed = last_shown().inner_text()
    expect(page.locator("#step")).to_have_text(re.compile("^(1[0-9]|[2-9].)$"), timeout=ENVIRONMENT_MS)
    expect(last_shown()).to_have_text(zoomed)
    everything.click()
    expect(hint).to_be_visible()
    expect(last_shown()).not_to_have_text(zoomed)
    expect(page.get_by_role("region", name="Checkpoints", exact=True)).to_contain_text(
        "step-20", timeout=ENVIRONMENT_MS
    )
    cancel(page)
    expect_state(page, "CANCELLED", within_ms=ENVIRONMENT_MS)
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("dialog").get_by_role("button", name="Resume").click()
    expect_state(page, "COMPLETED", within_ms=ENVIRONMENT_MS)
    expect(page.get_by_text("Attempt 2 began at step")).to_be_visible()
    expect(page.get_by_role("button", name="Resume")).to_have_count(0)
    records = page.request.get(f"{page.url}/metrics").json()["records"]
    assert [record["step"] for record in records] == list(range(1, 61))
    assert [record["attempt"] for record in records] == sorted(record["attempt"] for record in records)
    assert {record["attempt"] for record in records} == {1, 2}


def test_tabs_share_one_stream_and_all_follow(admin_page: Page, context: BrowserContext) -> None:
    streams: list[str] = []

    def note(request: Request) -> None:
        if "/events" in request.url:
            streams.append(request.url)

    launch(admin_page, "many tabs", "none")
    expect(admin_page.locator("html")).to_have_attribute("data-live", "on")
    context.on("request", note)
    tabs = [context.new_page() for _ in range(7)]
    for tab in tabs:
        tab.goto(admin_page.url)
    assert streams == []
    cancel(admin_page)
    for tab in tabs:
        expect(tab.locator("[data-state]")).to_have_attribute("data-state", re.compile("CANCELL"))
    for tab in tabs:
        tab.close()


def test_a_set_from_the_form_starts_is_seen_and_ends_as_one(admin_page: Page) -> None:
    """A policy, its reference and its sampler: three processes, and one page and one button for them."""
    page = admin_page
    page.goto(FULL)
    page.get_by_label("Display name").fill("set")
    page.get_by_label("Recipe").select_option("none")
    page.get_by_label("Reference").select_option("yes")
    page.get_by_label("Deployment replicas").fill("1")
    page.get_by_role("button", name="Launch trainer").click()
    page.wait_for_url(LAUNCH)
    members = page.get_by_role("region", name="Runs together")
    for role, name in (("Policy", "set"), ("Reference", "set (reference)"), ("Sampler", "-sampler")):
        expect(members.get_by_role("row").filter(has_text=role)).to_contain_text(name)
    expect(members.locator(".chip-success")).to_have_count(2, timeout=ENVIRONMENT_MS)
    expect(members.locator(".state-ready")).to_be_visible(timeout=ENVIRONMENT_MS)
    _ask_in_another_tab(page, members.get_by_role("link", name=re.compile("^launch-.*-sampler$")).get_attribute("href"))
    assert findings(page) == []
    page.get_by_role("button", name="Cancel", exact=True).click()
    asked = page.get_by_role("dialog")
    expect(asked.get_by_text("set (reference)")).to_be_visible()
    expect(asked.get_by_label("End it, too")).to_be_checked()
    assert findings(page) == []
    page.get_by_role("button", name="Cancel the launch").click()
    expect(members.locator(".state-cancelled")).to_have_count(2, timeout=ENVIRONMENT_MS)
    expect(members.locator(".state-asleep")).to_be_visible(timeout=ENVIRONMENT_MS)
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("dialog").get_by_label("Delete it, too")).to_be_checked()
    page.get_by_role("button", name="Delete the launch").click()
    page.wait_for_url(re.compile(r"/launches$"))
    expect(page.locator("#launches").get_by_text("set (reference)")).to_have_count(0)


def _ask_in_another_tab(page: Page, deployment: str | None) -> None:
    """What the sampler then did comes to stand on the page that is open."""
    nothing = page.get_by_text("Nothing was sampled yet")
    expect(nothing).to_be_visible()
    with page.context.new_page() as tab:
        tab.goto(f"{deployment}/try")
        tab.get_by_label("Prompt").fill("A slipway")
        tab.get_by_role("button", name="Ask", exact=True).click()
        expect(tab.locator("[data-answer]").first).to_be_visible()
    expect(page.locator("#sampling-charts canvas").first).to_be_visible()
    expect(nothing).to_be_hidden()
    expect(page.locator("[data-figure=tokens]")).not_to_have_text("0 in, 0 out")


def test_after_the_network_was_gone_nothing_is_missing(admin_page: Page, context: BrowserContext) -> None:
    launch(admin_page, "offline", "none")
    tab = context.new_page()  # not the page that fails the test for what the browser says of a lost network
    tab.goto(admin_page.url)
    token = tab.locator("[name=csrfmiddlewaretoken]").first.input_value()
    admin_page.close()
    expect(tab.locator("html")).to_have_attribute("data-live", "on")
    context.set_offline(True)
    tab.request.post(f"{tab.url}/cancel", form={"csrfmiddlewaretoken": token})
    expect(tab.get_by_text("Slipway does not answer")).to_be_visible()
    context.set_offline(False)
    expect(tab.locator("[data-state]")).to_have_attribute("data-state", re.compile("CANCELL"))
    expect(tab.get_by_text("Slipway does not answer")).to_be_hidden()
    tab.close()


def test_what_the_reader_opened_survives_a_refresh(admin_page: Page, context: BrowserContext) -> None:
    page = admin_page
    launch(page, "opened", "none")
    page.locator("#recorded summary").click()
    page.locator("#recorded summary").focus()
    other = context.new_page()
    other.goto(page.url)
    cancel(other)
    expect(page.locator("[data-state]")).to_have_attribute("data-state", re.compile("CANCELL"))
    expect(page.locator("#recorded")).to_have_attribute("open", "")
    expect(page.locator("#recorded summary")).to_be_focused()
    other.close()
