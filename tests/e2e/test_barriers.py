"""No page has barriers: axe finds nothing in any theme and width; the keyboard gets everywhere, and one sees where."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from benchmarks.shots import SIGNED_IN, SIGNED_OUT
from tests.e2e.conftest import SlipwayServer, sign_in_page
from tests.e2e.test_catalog import AXE

WIDTHS, HEIGHT = (1280, 360), 800
MAKE = """
import dataclasses, json
from benchmarks.sample_data import make_sample_data
print(json.dumps(dataclasses.asdict(make_sample_data())))
"""
RUN_AXE = "(rules) => axe.run(document, {resultTypes: ['violations'], ...(rules.length && {runOnly: rules})})"
MOST_STOPS = 500
WATCH_FOCUS = """() => {
  const wanted = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]'
  const groups = new Set()
  // Of the radio buttons of a group one is a stop.
  window.stopOf = (element) => element.type === 'radio' ? element.form?.id + element.name : element
  window.focusable = [...document.querySelectorAll(wanted)].filter((element) => {
    if (!element.checkVisibility({visibilityProperty: true, contentVisibilityAuto: true})) return false
    if (element.matches(':disabled') || element.tabIndex < 0) return false
    if (element.type !== 'radio') return true
    return !groups.has(stopOf(element)) && groups.add(stopOf(element))
  })
  window.reached = new Set()
  window.unseen = []
  const ringed = (style) => (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0)
  document.addEventListener('focusin', ({target}) => {
    window.reached.add(stopOf(target))
    const near = [target, target.parentElement, target.nextElementSibling].filter(Boolean)
    if (!near.some((element) => ringed(getComputedStyle(element)))) window.unseen.push(target.outerHTML.slice(0, 200))
  })
}"""
NOT_REACHED = """() => window.focusable
  .filter((element) => element.isConnected && !window.reached.has(window.stopOf(element)))
  .map((element) => element.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module")
def pages(slipway_server: SlipwayServer) -> dict[str, str]:
    """The address of every page by name, those of things that are made for it too."""
    made: dict[str, dict[str, str]] = json.loads(slipway_server.manage("shell", "--no-imports", "-c", MAKE))
    return SIGNED_IN | made["pages"] | made["measured"]


@contextmanager
def opened(browser: Browser, server: SlipwayServer, scheme: Any) -> Iterator[Page]:
    """A page in a session of its own, into which axe may be put."""
    context = browser.new_context(bypass_csp=True, base_url=server.url, color_scheme=scheme, reduced_motion="reduce")
    yield context.new_page()
    context.close()


def found_on(page: Page, addresses: Mapping[str, str], rules: list[str]) -> dict[str, list[str]]:
    """What axe finds on each page, wide and narrow, and where a page is too wide for the screen."""
    found: dict[str, list[str]] = {}
    for name, address in addresses.items():
        page.goto(address)
        page.add_script_tag(path=AXE)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            problems = page.evaluate(RUN_AXE, rules)["violations"]
            told = [f"{width}: {each['id']}: {each['nodes'][0]['html'][:300]}" for each in problems]
            if not page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"):
                told.append(f"{width}: too wide")
            if told:
                found[name] = found.get(name, []) + told
    return found


@pytest.mark.parametrize(("scheme", "rules"), [("light", []), ("dark", ["color-contrast"])])
def test_axe_finds_nothing_on_any_page(
    browser: Browser, slipway_server: SlipwayServer, pages: dict[str, str], scheme: str, rules: list[str]
) -> None:
    """In the dark only colours are other ones."""
    with opened(browser, slipway_server, scheme) as page:
        found = found_on(page, SIGNED_OUT, rules)
        sign_in_page(page, slipway_server.username, slipway_server.password)
        found |= found_on(page, pages, rules)
    assert not found, json.dumps(found, indent=2)


def test_the_keyboard_gets_everywhere_and_one_sees_where(
    browser: Browser, slipway_server: SlipwayServer, pages: dict[str, str]
) -> None:
    found = {}
    with opened(browser, slipway_server, "light") as page:
        sign_in_page(page, slipway_server.username, slipway_server.password)
        for name, address in pages.items():
            page.goto(address)
            page.evaluate(WATCH_FOCUS)
            for _ in range(MOST_STOPS):
                page.keyboard.press("Tab")
                if page.evaluate("document.activeElement === document.body") and not page.evaluate(NOT_REACHED):
                    break  # it went round; what loads late takes the focus along and lets it begin again
            missed, unseen = page.evaluate(NOT_REACHED), page.evaluate("window.unseen")
            if missed or unseen:
                found[name] = {"not reached": missed, "without a ring": unseen}
    assert not found, json.dumps(found, indent=2)
