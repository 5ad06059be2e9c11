"""The list of launches in a browser: searched, filtered and sorted in place, each of which keeps the others."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import SlipwayServer, sign_in_page

OVER = """
from django.db import transaction
from django.utils import timezone
from accounts.actors import SYSTEM, user_actor
from accounts.models import Account, User
from catalog.models import ShapeVersion
from launches.domain.create_launch import create_launch
from launches.domain.move import move
from launches.models import Launch
from connections.providers.states import AttemptState

me, local = User.objects.get(username="admin"), Account.objects.get(account_id="local")
version = ShapeVersion.objects.get(shape__shape_id="tiny-qwen3-2k-lora", is_latest_validated=True)
for name, seconds in (("listed short", 60), ("listed long", 3600), ("another", 600)):
    if Launch.objects.filter(idempotency_key=name).exists():
        continue
    with transaction.atomic():  # over before a worker sees it
        launch = create_launch(
            actor=user_actor(me), account=local, version=version, inputs={"display_name": name}, idempotency_key=name
        )
        move(launch, launch.attempts.get(), AttemptState.CANCELLED, now=timezone.now(), actor=SYSTEM)
        Launch.objects.filter(pk=launch.pk).update(run_seconds=seconds)
"""


def expect_names(page: Page, *names: str) -> None:
    expect(page.locator("#launches th a.name")).to_have_text(list(names))


def test_search_filters_and_sorting_keep_one_another(admin_page: Page, slipway_server: SlipwayServer) -> None:
    slipway_server.manage("shell", "--no-imports", stdin=OVER)
    page = admin_page
    page.goto("/launches")
    expect(page.locator("#launches")).to_contain_text("another")
    page.get_by_label("Search", exact=True).fill("listed")
    page.get_by_label("Search", exact=True).press("Enter")
    page.wait_for_url(re.compile(r"q=listed"))
    expect(page.locator("#launches")).not_to_contain_text("another")
    expect_names(page, "listed long", "listed short")
    page.get_by_role("columnheader", name="Duration").get_by_role("link").click()
    page.wait_for_url(re.compile(r"q=listed&sort=-duration"))
    page.get_by_role("columnheader", name="Duration").get_by_role("link").click()
    page.wait_for_url(re.compile(r"q=listed&sort=duration$"))
    expect(page.locator("#launches th a.name").first).to_have_text("listed short")
    page.get_by_label("State").select_option("over")
    page.wait_for_url(re.compile(r"q=listed&.*state=over&.*sort=duration$"))
    expect_names(page, "listed short", "listed long")
    page.evaluate(
        "() => new Promise((done) => document.dispatchEvent(new CustomEvent('slipway:refresh',"
        " { detail: { refetch: (name, work) => work().then(done) } })))"
    )
    expect_names(page, "listed short", "listed long")
    page.go_back()
    expect(page.get_by_label("State")).to_have_value("")
    page.get_by_label("From").fill("2020-01-02")
    page.get_by_label("To").fill("2020-01-01")
    expect(page.locator("#launches")).to_contain_text("The last day, 2020-01-01, is before the first")


def test_it_is_searched_without_scripts(browser: Browser, slipway_server: SlipwayServer) -> None:
    slipway_server.manage("shell", "--no-imports", stdin=OVER)
    context = browser.new_context(java_script_enabled=False, base_url=slipway_server.url)
    page = context.new_page()
    sign_in_page(page, slipway_server.username, slipway_server.password)
    page.goto("/launches?sort=duration")
    page.get_by_label("Search", exact=True).fill("listed")
    page.get_by_role("button", name="Filter").click()
    expect(page).to_have_url(re.compile(r"/launches\?q=listed&.*sort=duration"))
    expect_names(page, "listed short", "listed long")
    context.close()
