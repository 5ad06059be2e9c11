"""The launch form in a browser: with scripts, without them, and by keyboard alone."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
import yaml
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import SlipwayServer, sign_in_page

FORM = "/shapes/local/tiny-qwen3-2k-lora/launch"
MOVING = "/shapes/local/tiny-qwen3-2k/launch"
"""The form of a shape of which no other test says anything that a new version changes."""
LAUNCH = re.compile(r"/launches/[0-9a-f-]{36}$")


@pytest.fixture(autouse=True)
def _clear_away(admin_page: Page) -> Iterator[None]:
    """End what a test has launched, so that the next one finds a free place."""
    yield
    admin_page.goto("/launches?state=active")
    # Read at once: the table renews itself, and a launch that ends on its own leaves it.
    launches = admin_page.locator("#launches tbody th a").evaluate_all("links => links.map(link => link.href)")
    for launch in launches:
        token = admin_page.locator("[name=csrfmiddlewaretoken]").first.input_value()
        admin_page.request.post(f"{launch}/cancel", form={"csrfmiddlewaretoken": token})


def count_launches(page: Page) -> int:
    page.goto("/launches")
    return page.locator("#launches tbody tr").count()


def test_the_request_and_the_errors_follow_what_is_typed(admin_page: Page) -> None:
    page = admin_page
    page.goto(FORM)
    rank = page.get_by_label("LoRA rank")
    rank.fill("999")
    expect(page.get_by_text("999 is above the limit of 128")).to_be_visible()
    expect(rank).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_text("Nothing to send yet")).to_be_visible()
    rank.fill("32")
    expect(page.locator("#request-json")).to_contain_text('"loraRank": 32')
    expect(rank).not_to_have_attribute("aria-invalid", "true")
    expect(rank).to_be_focused()
    page.get_by_text("curl", exact=True).click()
    rank.fill("8")
    expect(page.locator("#request-curl")).to_contain_text('"loraRank": 8')
    page.get_by_label("Region").fill("nowhere")
    expect(page.get_by_text("It asks for region nowhere")).to_be_visible()


def test_a_double_click_and_a_way_back_are_one_launch(admin_page: Page) -> None:
    page = admin_page
    before = count_launches(page)
    page.goto(FORM)
    page.get_by_label("Display name").fill("once")
    page.get_by_role("button", name="Launch trainer").dblclick()
    page.wait_for_url(LAUNCH)
    first = page.url
    page.go_back()
    expect(page.get_by_label("Display name")).to_have_value("once")
    page.get_by_role("button", name="Launch trainer").click()
    page.wait_for_url(LAUNCH)
    assert page.url == first
    assert count_launches(page) == before + 1


def publish_next(server: SlipwayServer, shape_id: str, description: str) -> None:
    """Publish a version of a shape of account local that says something else of itself."""
    document = yaml.safe_load(server.manage("export_catalog", "--account", "local"))
    for shape in (shape for model in document["models"] for shape in model["shapes"]):
        if shape["id"] == shape_id:
            shape["description"] = description
    server.manage("apply_catalog", "-", stdin=yaml.safe_dump(document))


def test_reload_and_back_keep_what_was_typed_and_the_guard_against_a_shape_that_moves(
    admin_page: Page, slipway_server: SlipwayServer
) -> None:
    page = admin_page
    page.goto(MOVING)
    name = page.get_by_label("Display name")
    name.fill("typed once")
    publish_next(slipway_server, "tiny-qwen3-2k", "Second.")
    page.reload()
    expect(name).to_have_value("typed once")
    publish_next(slipway_server, "tiny-qwen3-2k", "Third.")
    page.get_by_role("button", name="Launch trainer").click()
    expect(page.locator("#drift")).to_contain_text("Third.")
    page.go_back()
    expect(name).to_have_value("typed once")
    publish_next(slipway_server, "tiny-qwen3-2k", "Fourth.")
    page.get_by_role("button", name="Launch trainer").click()
    expect(page.locator("#drift")).to_contain_text("Fourth.")
    expect(name).to_have_value("typed once")
    newer, older = (page.get_by_role("button", name=words) for words in ("Launch the new one", "Keep the old one"))
    page.locator("#launch-form").evaluate("form => form.addEventListener('submit', event => event.preventDefault())")
    older.click()  # as while the answer is under way
    expect(newer).to_be_disabled()
    expect(older).to_be_disabled()


def test_a_public_shape_says_why_it_cannot_be_launched_here(admin_page: Page) -> None:
    page = admin_page
    page.goto("/shapes/fireworks/qwen3p5-9b-256k/launch")
    expect(page.get_by_text("No connection can run this.")).to_be_visible()
    expect(page.get_by_role("button", name="Launch trainer")).to_be_disabled()
    expect(page.locator("#request-json")).to_contain_text('"acceleratorCount": 2')
    page.get_by_label("Trainer replicas").fill("4")
    expect(page.locator("#gpus")).to_contain_text("8 GPUs in all")


def test_it_launches_by_keyboard_alone(admin_page: Page) -> None:
    page = admin_page
    page.goto(FORM)
    name = page.get_by_label("Display name")
    for _ in range(40):
        page.keyboard.press("Tab")
        if name.evaluate("element => element === document.activeElement"):
            break
    page.keyboard.type("by keyboard")
    page.keyboard.press("Enter")
    page.wait_for_url(LAUNCH)
    expect(page.get_by_role("heading", level=1)).to_have_text("by keyboard")
    cancel = page.get_by_role("button", name="Cancel", exact=True)
    for _ in range(40):
        page.keyboard.press("Tab")
        if cancel.evaluate("element => element === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("[data-state]")).to_have_attribute("data-state", re.compile("CANCELL"))


def test_it_all_works_without_scripts(browser: Browser, slipway_server: SlipwayServer) -> None:
    context = browser.new_context(java_script_enabled=False, base_url=slipway_server.url)
    page = context.new_page()
    sign_in_page(page, slipway_server.username, slipway_server.password)
    page.goto(FORM)
    page.get_by_label("LoRA rank").fill("999")
    page.get_by_label("Display name").fill("no scripts")
    page.get_by_role("button", name="Launch trainer").click()
    expect(page.locator("#form-errors")).to_contain_text("1 value cannot be used")
    expect(page.get_by_label("Display name")).to_have_value("no scripts")
    page.get_by_label("LoRA rank").fill("8")
    page.get_by_text("Python", exact=True).click()
    page.get_by_role("button", name="Launch trainer").click()
    page.wait_for_url(LAUNCH)
    page.get_by_role("button", name="Cancel", exact=True).click()
    _reload_until(page, re.compile("CANCELLED"))
    page.goto("/launches")
    page.get_by_label("State").select_option("CANCELLED")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("#launches")).to_contain_text("no scripts")
    context.close()


def _reload_until(page: Page, state: re.Pattern[str]) -> None:
    deadline = time.monotonic() + 300
    while not state.search(page.locator("[data-state]").get_attribute("data-state") or ""):
        assert time.monotonic() < deadline, "the state did not come"
        page.get_by_role("link", name="Refresh").click()


def launch_with(page: Page, rank: str) -> None:
    """Change the rank and press the button."""
    page.get_by_label("LoRA rank").fill(rank)
    page.get_by_role("button", name="Launch trainer").click()


def test_after_a_way_back_and_a_change_a_new_form_launches_again_every_time(admin_page: Page) -> None:
    page = admin_page
    page.goto(FORM)
    page.get_by_label("Recipe").select_option("none")
    page.get_by_label("Display name").fill("again & again")
    launch_with(page, "2")
    page.wait_for_url(LAUNCH)
    launched = {page.url}
    for rank in ("3", "5"):
        page.go_back()
        expect(page.get_by_label("Display name")).to_have_value("again & again")
        launch_with(page, rank)
        page.get_by_role("link", name="Open a new form").click()
        expect(page.get_by_label("LoRA rank")).to_have_value(rank)
        expect(page.get_by_label("Recipe")).to_have_value("none")
        expect(page.get_by_label("Display name")).to_have_value("again & again")
        page.get_by_role("button", name="Launch trainer").click()
        page.wait_for_url(LAUNCH)
        launched.add(page.url)
    assert len(launched) == 3


def test_a_link_to_the_same_address_is_a_new_form_and_reload_and_back_are_not(admin_page: Page) -> None:
    page = admin_page
    page.goto(FORM)
    key, rank = page.locator("[name=idempotency_key]"), page.get_by_label("LoRA rank")
    rank.fill("7")
    first = key.input_value()
    page.reload()
    expect(rank).to_have_value("7")
    expect(key).to_have_value(first)
    page.goto("/launches")
    page.go_back()
    expect(rank).to_have_value("7")
    expect(key).to_have_value(first)
    with page.expect_navigation():
        page.evaluate("() => { const link = document.createElement('a'); link.href = location.href; link.click() }")
    expect(rank).not_to_have_value("7")
    second = key.input_value()
    assert second != first
    page.goto("/launches")
    page.go_back()
    expect(rank).not_to_have_value("7")
    expect(key).to_have_value(second)


def test_the_links_of_the_form_take_along_what_is_typed(admin_page: Page, slipway_server: SlipwayServer) -> None:
    page = admin_page
    page.goto(MOVING)
    pinned = page.locator("[name=version]").input_value()
    publish_next(slipway_server, "tiny-qwen3-2k", "Another one.")
    page.goto(f"{MOVING}?version={pinned}")
    page.get_by_label("Display name").fill("typed & kept")
    page.get_by_label("Recipe").select_option("none")
    page.get_by_role("link", name="Use the latest one").click()
    expect(page.get_by_text("What you had filled in was carried over.")).to_be_visible()
    expect(page.get_by_label("Display name")).to_have_value("typed & kept")
    expect(page.get_by_label("Recipe")).to_have_value("none")
    expect(page.locator("[name=version]")).not_to_have_value(pinned)
    page.get_by_label("Display name").fill("typed & kept twice")
    page.get_by_label("Account: local").click()
    page.get_by_role("button", name="fireworks").click()
    expect(page.get_by_label("Account: fireworks")).to_be_visible()
    expect(page.get_by_label("Display name")).to_have_value("typed & kept twice")
