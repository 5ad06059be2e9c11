"""Publishing in a browser: a version is edited with its preview following, saved, validated by hand and published."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.e2e.test_launch_live import findings

SOURCE = "/publish/local/tiny-qwen3-2k-lora"


def clone(page: Page, shape_id: str) -> str:
    """Clone the tiny shape and open the editor of the copy; answers the address of its versions."""
    page.goto(SOURCE)
    card = page.locator("[data-version]").last
    card.locator("summary").click()
    card.get_by_role("link", name="Clone under a new id").click()
    page.get_by_label("New shape id").fill(shape_id)
    page.get_by_role("button", name="Clone and edit").click()
    page.wait_for_url(re.compile(r"/edit$"))
    return f"/publish/local/{shape_id}"


def test_the_preview_follows_what_is_typed(admin_page: Page) -> None:
    page = admin_page
    versions = clone(page, "follows-what-is-typed")
    nodes = page.get_by_role("textbox", name="Nodes")
    nodes.fill("9B")
    preview = page.locator("#preview")
    expect(preview.get_by_text("'9B' is not a whole number")).to_be_visible()
    expect(nodes).to_have_attribute("aria-invalid", "true")
    expect(nodes).to_be_focused()
    nodes.fill("1")
    expect(nodes).not_to_have_attribute("aria-invalid", "true")
    page.get_by_label("Narrow LoRA rank").click()
    page.locator("#edit-launch_fields-lora_rank-maximum").fill("32")
    expect(page.locator("#summary-lora_rank")).to_contain_text("to 32")
    expect(preview.locator("[data-difference]")).to_contain_text("LoRA rank: maximum")
    expect(preview.locator("#id_lora_rank")).to_be_disabled()
    assert findings(page) == []
    page.get_by_label("Trainer mode").select_option("POLICY_TRAINER")
    expect(page.locator(".narrowing", has_text="LoRA rank")).to_be_hidden()
    expect(preview.locator("#id_lora_rank")).to_have_count(0)
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("link", name="Cancel").click()
    page.wait_for_url(re.compile(f"{versions}$"))
    expect(page.get_by_text("draft", exact=True)).to_be_visible()


def test_a_draft_is_edited_validated_and_published(admin_page: Page) -> None:
    page = admin_page
    versions = clone(page, "edited-and-published")
    page.get_by_role("textbox", name="Label").fill("Tiny on eight GPUs")
    page.get_by_role("textbox", name="GPUs per node").fill("8")
    page.get_by_label("GPU type").select_option("NVIDIA_H100_80GB")
    page.get_by_role("textbox", name="Trainer image").fill("0.383.0")
    page.get_by_label("Weight precision").select_option("BFLOAT16")
    expect(page.locator("#preview")).to_contain_text("H100 80 GB has 80 GB")
    page.get_by_role("button", name="Save draft").click()
    page.wait_for_url(re.compile(f"{versions}$"))
    version = str(page.locator("[data-version]").get_attribute("data-version"))
    page.get_by_role("link", name=f"Validate: {version}").click()
    page.get_by_label("Why you know that it runs").fill("It has run on a cluster of ours for weeks.")
    page.get_by_role("button", name="Validate by hand").click()
    page.get_by_role("link", name="Versions of the shape").click()
    page.get_by_role("link", name=f"Publish: {version}").click()
    assert findings(page) == []
    page.get_by_label("Everybody").check()
    page.get_by_role("button", name="Publish it").click()
    page.wait_for_url(re.compile(f"{versions}$"))
    expect(page.locator("[data-version]")).to_contain_text("latest")
    page.goto("/shapes/local/edited-and-published")
    expect(page.locator("dd [data-version]")).to_have_text(version)


def test_check_on_a_phone_brings_its_result_into_view(admin_page: Page) -> None:
    page = admin_page
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{SOURCE}/new")
    page.locator("#edit-node_count").fill("-3")
    page.get_by_role("button", name="Check").click()
    checks = page.locator("#checks")
    expect(checks).to_be_focused()
    expect(checks.get_by_role("heading", name="Checks")).to_be_in_viewport()
    expect(checks).to_contain_text("-3 is out of range. Use 1 to 1,024.")
    checks.get_by_role("link", name="Nodes").click()
    expect(page.locator("#edit-node_count")).to_be_in_viewport()
    assert findings(page) == []
