"""No page has barriers: axe finds nothing in any theme and width; the keyboard gets everywhere, and one sees where."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from benchmarks.shots import SIGNED_IN, SIGNED_OUT
from tests.e2e.conftest import SlipwayServer, sign_in_page
from tests.e2e.test_catalog import SHAPE

AXE = Path(__file__).resolve().parent.parent / "vendor" / "axe.min.js"
FOR_ANYONE = SIGNED_OUT | {
    "catalog-sorted": "/?sort=-gpus&family=Qwen",
    "catalog-nothing-found": "/?q=nothing-like-it",
    "shape-signed-out": SHAPE,
}
WIDE, NARROW, HEIGHT = 1280, 360, 800
SCHEMES: list[tuple[Literal["light", "dark"], list[str], tuple[int, int]]] = [
    ("light", [], (WIDE, NARROW)),
    ("dark", ["color-contrast"], (NARROW, WIDE)),
]
MAKE = """
import dataclasses, json
from benchmarks.sample_data import make_sample_data
print(json.dumps(dataclasses.asdict(make_sample_data())))
"""
# Stylesheets are fetched for one rule alone, which is off.
RUN_AXE = """async (rules) => {
  const options = {resultTypes: ['violations'], preload: {assets: ['media']}, ...(rules.length && {runOnly: rules})}
  const {violations} = await axe.run(document, options)
  const told = violations.map(({id, nodes}) => `${id}: ${nodes[0].html.slice(0, 300)}`)
  return document.documentElement.scrollWidth <= window.innerWidth ? told : [...told, 'too wide']
}"""
# Colours that are still on their way to the other theme are none of it.
AT_ONCE = "*, ::before, ::after { transition-property: none !important }"
MOST_STOPS = 500
TAB = {"type": "rawKeyDown", "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9}
"""Pressed some four thousand times: Playwright's own press asks the browser twice as often."""
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
  return window.focusable.length
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
def opened(browser: Browser, server: SlipwayServer) -> Iterator[Page]:
    """A page in a session of its own that has axe, however often it is loaded."""
    context = browser.new_context(bypass_csp=True, base_url=server.url, reduced_motion="reduce")
    context.add_init_script(path=AXE)
    yield context.new_page()
    context.close()


def what_axe_finds(page: Page) -> dict[str, list[str]]:
    """Wide and narrow, light and dark, and where the page is too wide for the screen. Ends as it began: wide and light.

    In the dark only colours are other ones: all of it is CSS, so the page need not be loaded again.
    """
    page.add_style_tag(content=AT_ONCE)
    found = {}
    for scheme, rules, widths in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        for width in widths:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            if told := page.evaluate(RUN_AXE, rules):
                found[f"{width}, {scheme}"] = told
    page.emulate_media(color_scheme="light")
    return found


def what_the_keyboard_misses(page: Page) -> dict[str, list[str]]:
    """What Tab does not reach, and where one does not see that it did."""
    stops, keyboard = page.evaluate(WATCH_FOCUS), page.context.new_cdp_session(page)
    for pressed in range(MOST_STOPS):
        keyboard.send("Input.dispatchKeyEvent", TAB)
        if pressed < stops:
            continue  # it cannot have been everywhere yet
        if page.evaluate("document.activeElement === document.body") and not page.evaluate(NOT_REACHED):
            break  # it went round; what loads late takes the focus along and lets it begin again
    keyboard.detach()
    told = {"not reached": page.evaluate(NOT_REACHED), "without a ring": page.evaluate("window.unseen")}
    return {what: elements for what, elements in told.items() if elements}


def test_no_page_has_barriers(browser: Browser, slipway_server: SlipwayServer, pages: dict[str, str]) -> None:
    """Each page is loaded once for all that is asked of it."""
    found = {}
    with opened(browser, slipway_server) as page:
        for name, address in FOR_ANYONE.items():
            page.goto(address)
            found[name] = what_axe_finds(page)
        sign_in_page(page, slipway_server.username, slipway_server.password)
        for name, address in pages.items():
            page.goto(address)
            found[name] = what_axe_finds(page) | what_the_keyboard_misses(page)
    found = {name: told for name, told in found.items() if told}
    assert not found, json.dumps(found, indent=2)
