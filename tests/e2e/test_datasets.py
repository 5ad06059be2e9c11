"""A dataset in a browser: a file of two pieces is uploaded, checked by the real worker, and its rows are shown."""

from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.sync_api import Page, expect

ROW = {"messages": [{"role": "user", "content": "Why? " * 20}, {"role": "assistant", "content": "Because. " * 100}]}


def test_a_file_is_uploaded_in_pieces_checked_and_shown(admin_page: Page, tmp_path: Path) -> None:
    page, file = admin_page, tmp_path / "Why and Because.jsonl"
    file.write_text("".join(json.dumps(ROW | {"n": n}) + "\n" for n in range(9_000)))
    assert file.stat().st_size > 8 * 1024 * 1024
    sent: list[str] = []
    page.on(
        "request", lambda request: sent.append(request.headers["content-range"]) if request.method == "PUT" else None
    )
    page.goto("/datasets/new")
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("textbox", name="Id").fill("No Id")
    page.get_by_role("button", name="Upload and check").click()
    expect(page.locator(".field-error")).to_contain_text("is no dataset id")
    page.get_by_role("textbox", name="Id").fill("")
    page.get_by_role("button", name="Upload and check").click()
    page.wait_for_url(re.compile(r"/datasets/[0-9a-f-]{36}$"))
    assert [each.partition("/")[0] for each in sent] == ["bytes 0-8388607", f"bytes 8388608-{file.stat().st_size - 1}"]
    expect(page.locator("#dataset")).to_have_attribute("data-state", "READY", timeout=60_000)
    expect(page.get_by_role("heading", name="why-and-because")).to_be_visible()
    expect(page.locator("#dataset")).to_contain_text("9,000")
    expect(page.locator("[data-sample='1']")).to_contain_text("Because. Because.")
