"""Times on a page: the reader's own, of 24 hours in every language, with the exact one in UTC on hover."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.conftest import SlipwayServer


@pytest.mark.parametrize(
    ("moment", "local", "exact"),
    [
        ("2026-01-01T18:05:06.789Z", "13:05:06", "2026-01-01 18:05:06 UTC"),
        ("2026-01-02T05:00:00+00:00", "00:00:00", "2026-01-02 05:00:00 UTC"),
    ],
)
def test_times_are_local_of_24_hours_and_exact_in_utc_on_hover(
    browser: Browser, slipway_server: SlipwayServer, moment: str, local: str, exact: str
) -> None:
    context = browser.new_context(base_url=slipway_server.url, locale="en-US", timezone_id="America/New_York")
    page = context.new_page()
    page.goto("/")
    page.evaluate(
        """moment => {
            const time = Object.assign(document.createElement('time'), {dateTime: moment, id: 'told'})
            time.dataset.style = 'time'
            document.querySelector('main').append(time)
            document.dispatchEvent(new CustomEvent('htmx:afterSettle'))
        }""",
        moment,
    )
    expect(page.locator("#told")).to_have_text(local)
    expect(page.locator("#told")).to_have_attribute("title", exact)
    context.close()
