"""The catalog in a browser: filters, Back, no scripts, keyboard only and small screens."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.e2e.conftest import SlipwayServer

SHAPE = "/shapes/fireworks/qwen3p5-9b-256k-forward"


def expect_total(page: Page, total: str) -> None:
    expect(page.locator("[data-total]")).to_have_text(total)


def box(page: Page, name: str) -> Locator:
    """The checkbox of a filter's value; its accessible name has the count behind it."""
    return page.get_by_role("checkbox", name=name)


@pytest.fixture
def plain_page(browser: Browser, slipway_server: SlipwayServer) -> Iterator[Page]:
    """A page with JavaScript switched off."""
    context = browser.new_context(java_script_enabled=False, base_url=slipway_server.url)
    yield context.new_page()
    context.close()


def test_filters_change_results_counts_and_address_without_a_reload(page: Page) -> None:
    page.goto("/")
    page.evaluate("window.same = true")
    box(page, "Gemma").check()
    expect(page.locator("[data-total]")).to_have_text("6")
    expect(page).to_have_url("/?family=Gemma")
    expect(page.locator('[data-count="mode=lora"]')).to_have_text("2")
    page.get_by_label("Context at least").fill("200k")
    page.get_by_label("Context at least").press("Enter")
    expect(page).to_have_url("/?family=Gemma&context=200k")
    box(page, "Forward-only").check()
    expect(page).to_have_url("/?family=Gemma&mode=forward-only&context=200k")
    expect(page.locator("[data-total]")).to_have_text("2")
    assert page.evaluate("window.same")


def test_choices_made_while_an_answer_is_under_way_are_not_undone(page: Page) -> None:
    page.goto("/")

    def slowly(route: Route) -> None:
        page.wait_for_timeout(300)
        route.continue_()

    page.route("**/?*", slowly)
    for name in ("Gemma", "Kimi", "Nemotron"):
        box(page, name).click()
    expect(page).to_have_url("/?family=Gemma&family=Kimi&family=Nemotron")
    expect(page.locator("[data-total]")).to_have_text("17")
    expect(box(page, "Kimi")).to_be_checked()


def test_back_forward_reload_and_a_shared_address_show_the_same(page: Page) -> None:
    page.goto("/")
    box(page, "Gemma").check()
    expect(page.locator("[data-total]")).to_have_text("6")
    box(page, "LoRA").check()
    expect(page.locator("[data-total]")).to_have_text("2")
    address = page.url
    page.reload()
    expect(page.locator("[data-total]")).to_have_text("2")
    expect(box(page, "Gemma")).to_be_checked()
    page.go_back()
    expect(page.locator("[data-total]")).to_have_text("6")
    expect(box(page, "LoRA")).not_to_be_checked()
    page.go_back()
    expect(page.locator("[data-total]")).to_have_text("60")
    expect(box(page, "Gemma")).not_to_be_checked()
    page.go_forward()
    expect(page.locator("[data-total]")).to_have_text("6")
    page.goto(address)
    expect(page.locator("[data-total]")).to_have_text("2")


def test_a_way_forward_is_followed_before_the_scripts_have_come(page: Page) -> None:
    page.goto("/")
    box(page, "Gemma").check()
    expect(page).to_have_url("/?family=Gemma")
    page.route("**/htmx.min*.js", lambda route: None)  # never answered
    page.evaluate("history.back()")
    expect(page).to_have_url("/")
    expect(page.locator("[data-total]")).to_have_text("60")
    page.unroute("**/htmx.min*.js")
    page.evaluate("history.forward()")
    expect(page).to_have_url("/?family=Gemma")
    expect(page.locator("[data-total]")).to_have_text("6")


def test_back_from_a_shape_keeps_the_filters(page: Page) -> None:
    page.goto("/")
    box(page, "Kimi").check()
    expect(page.locator("[data-total]")).to_have_text("6")
    page.get_by_role("link", name="kimi-k2p6-256k", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("kimi-k2p6-256k")
    page.go_back()
    expect(page.locator("[data-total]")).to_have_text("6")
    expect(box(page, "Kimi")).to_be_checked()


def test_searching_by_keyboard_alone(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("/")
    search = page.get_by_label("Search shapes")
    expect(search).to_be_focused()
    page.keyboard.type("nemotron super lora")
    expect(page.locator("[data-total]")).to_have_text("1")
    expect(search).to_be_focused()
    expect(search).to_have_value("nemotron super lora")
    page.keyboard.press("Escape")
    expect(search).not_to_be_focused()
    link = page.get_by_role("link", name="nemotron-3-super-120b-a12b-bf16-128k-lora", exact=True)
    for _ in range(60):
        page.keyboard.press("Tab")
        if link.evaluate("element => element === document.activeElement"):
            break
    expect(link).to_be_focused()
    assert link.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("nemotron-3-super")


def test_a_filter_keeps_the_focus_while_it_is_applied(page: Page) -> None:
    page.goto("/")
    llama = box(page, "Llama")
    llama.focus()
    page.keyboard.press("Space")
    expect(page.locator("[data-total]")).to_have_text("3")
    expect(llama).to_be_focused()
    page.keyboard.press("Space")
    expect(page.locator("[data-total]")).to_have_text("60")
    expect(llama).not_to_be_checked()


def test_words_that_became_filters_leave_the_search_box_when_it_is_left(page: Page) -> None:
    page.goto("/")
    search = page.get_by_label("Search shapes")
    search.press_sequentially("27b lora 200k")
    expect(page).to_have_url("/?q=27b&mode=lora&context=200k")
    expect(page.locator("[data-total]")).to_have_text("2")
    expect(search).to_have_value("27b lora 200k")
    expect(box(page, "LoRA")).to_be_checked()
    box(page, "LoRA").uncheck()
    expect(page).to_have_url("/?q=27b&context=200k")
    expect(search).to_have_value("27b")
    page.get_by_role("link", name="Context at least 200k").click()
    expect(page).to_have_url("/?q=27b")
    expect(page.get_by_label("Context at least")).to_have_value("")


def test_removing_the_text_by_its_chip_empties_the_search_box(page: Page) -> None:
    page.goto("/?q=gemma&mode=lora")
    page.get_by_role("link", name="Text gemma").click()
    expect(page).to_have_url("/?mode=lora")
    expect(page.get_by_label("Search shapes")).to_have_value("")
    box(page, "Qwen").check()
    expect(page).to_have_url("/?family=Qwen&mode=lora")


def test_an_empty_result_is_loosened_by_one_click(page: Page) -> None:
    page.goto("/?family=Qwen&mode=policy&context=256k&gpus=1")
    expect(page.get_by_text("No shape passes all of these filters")).to_be_visible()
    page.get_by_role("link", name="without GPUs at most 1").click()
    expect(page.locator("[data-total]")).to_have_text("4")
    expect(page.get_by_label("GPUs at most")).to_have_value("")


def test_without_scripts_the_same_form_filters_and_sorts(plain_page: Page) -> None:
    plain_page.goto("/")
    box(plain_page, "Gemma").check()
    plain_page.get_by_label("Search shapes").fill("31b")
    plain_page.get_by_role("button", name="Apply filters").click()
    expect_total(plain_page, "3")
    plain_page.get_by_role("link", name="GPUs", exact=True).click()
    expect(plain_page).to_have_url(re.compile("sort=gpus"))
    expect_total(plain_page, "3")
    plain_page.get_by_role("link", name="gemma-4-31b-256k-b200", exact=True).click()
    expect(plain_page.locator("body")).to_contain_text("TrainerConfig(")
    plain_page.get_by_label("Search shapes").fill("kimi")
    plain_page.get_by_label("Search shapes").press("Enter")
    expect_total(plain_page, "6")


def test_copying_the_resource_name(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(SHAPE)
    page.get_by_label("Copy resource name").first.click()
    expect(page.locator("#spoken")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "accounts/fireworks/trainingShapes/qwen3p5-9b-256k-forward"


def test_filters_on_a_phone_open_and_close(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto("/")
    expect(box(page, "Gemma")).not_to_be_visible()
    page.get_by_role("button", name="Filters").click()
    box(page, "Gemma").check()
    expect(page.locator("[data-total]")).to_have_text("6")
    expect(box(page, "Gemma")).to_be_visible()
    page.keyboard.press("Escape")
    expect(box(page, "Gemma")).not_to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
