"""Coming in by an invitation, with a browser, and the theme that stays."""

from __future__ import annotations

import secrets

from playwright.sync_api import Page, expect

from tests.e2e.conftest import SlipwayServer, sign_in_page


def test_an_invited_person_joins_and_signs_in_again(page: Page, slipway_server: SlipwayServer) -> None:
    name = f"newcomer-{secrets.token_hex(4)}"
    link = slipway_server.manage("add_member", name, "--account", "local", "--role", "launcher")
    page.goto(link)
    page.get_by_label("Password", exact=True).fill("short")
    page.get_by_label("Password again").fill("short")
    page.get_by_role("button", name="Join").click()
    expect(page.get_by_text("This password is too short")).to_be_visible()
    expect(page.get_by_label("User name")).to_have_value(name)

    page.get_by_label("Password", exact=True).fill("ropes and sails 7")
    page.get_by_label("Password again").fill("ropes and sails 7")
    page.get_by_role("button", name="Join").click()
    expect(page.get_by_text(f"Welcome to local, {name}.")).to_be_visible()

    page.context.clear_cookies()
    sign_in_page(page, name, "ropes and sails 7")


def test_the_theme_stays_chosen(admin_page: Page) -> None:
    admin_page.get_by_label("Theme").click()
    admin_page.get_by_role("button", name="Dark").click()
    expect(admin_page.locator("html")).to_have_attribute("data-theme", "dark")
    admin_page.reload()
    expect(admin_page.locator("html")).to_have_attribute("data-theme", "dark")
